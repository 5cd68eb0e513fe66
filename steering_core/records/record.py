"""What a check leaves behind: one frozen record per cell, which starts as ERRORED; a check can only improve it."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA: Final = 2
Arm = Literal["reference", "native"]
ARMS: tuple[Arm, ...] = ("reference", "native")
"""Who applies the steering: raw hooks apply every tool's direction, or the tool applies its own."""
Value = bool | int | float | str | None | list[Any] | dict[str, Any]


class Outcome(StrEnum):
    """How a cell ended: a missing library, an unsupported family, a crash and a wrong number are distinct outcomes.

    NOT_OFFERED: the tool does not claim to do what the check is about; neither a pass, nor a failure, nor missing.
    """

    AGREES = "agrees"
    DIFFERS = "differs"
    ERRORED = "errored"
    NOT_OFFERED = "not offered"
    UNSUPPORTED = "unsupported"
    ABSENT = "absent"


_GIVEN: dict[frozenset[str], set[str]] = {}


class Frozen(BaseModel):
    """Immutable; unknown fields and NaN values are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    def model_post_init(self, _context: Any) -> None:
        """Called once validated: equal sets of given fields, 700 bytes each, are kept once for all of a run's objects."""
        given = self.model_fields_set
        object.__setattr__(self, "__pydantic_fields_set__", _GIVEN.setdefault(frozenset(given), given))


class Cell(Frozen):
    """The coordinates of one check. `other` is the second tool of a pair; `variant` what else was varied."""

    clause: str
    model: str
    tool: str | None = None
    other: str | None = None
    arm: str | None = None
    repeat: int | None = None
    variant: str | None = None

    @property
    def tools(self) -> str:
        """`pyvene`, `hooks~pyvene`, or nothing where no tool is named."""
        return "~".join(filter(None, (self.tool, self.other)))

    @property
    def id(self) -> str:
        """`P6 tiny_qwen2 hooks~pyvene`: readable, and unique within a run."""
        repeat = None if self.repeat is None else f"r{self.repeat}"
        return " ".join(filter(None, (self.clause, self.model, self.tools, self.arm, repeat, self.variant)))


class Record(Frozen):
    """One cell with its outcome in one sentence, its numbers, and where they came from.

    measured: numbers and short texts by name. blocked_by: the failed preflight cell that kept this one from running.
    provenance: see `Experiment.provenance`. wall_seconds: what this check added to the time of the run; a check of one
    tool may run while another's is waited for. peak_memory_bytes: since this check began on a GPU; on a CPU the peak of
    the process so far.
    """

    cell: Cell
    outcome: Outcome = Outcome.ERRORED
    sentence: str = "the check did not finish"
    measured: dict[str, Value] = Field(default_factory=dict)
    blocked_by: str | None = None
    nodeid: str = ""
    provenance: dict[str, Value] = Field(default_factory=dict)
    started: datetime = Field(default_factory=lambda: datetime.now(UTC))
    wall_seconds: float = 0.0
    peak_memory_bytes: int = 0

    @property
    def declared(self) -> bool:
        """Whether the cell differs only by a known deviation of its tool: neither a pass nor a failure."""
        return self.outcome is Outcome.DIFFERS and "declared_deviation" in self.measured


class Plan(Frozen):
    """What a run set out to do. `required` is the full matrix for its models, `planned` the selected part of it.

    options: further command-line options, each with its value, that a command repeating one cell needs. followed: the
    planned cells that decisions asked for while the run was under way.
    """

    models: tuple[str, ...]
    tools: tuple[str, ...]
    repeats: int
    preset: str
    random_weights: bool = False
    gated: bool = True
    required: tuple[Cell, ...] = ()
    planned: tuple[Cell, ...] = ()
    protocol_repeats: int = 5
    options: tuple[tuple[str, str], ...] = ()
    followed: tuple[Cell, ...] = ()


class Run(Frozen):
    """A plan, the records it produced, and the environment that all of them share."""

    plan: Plan
    records: tuple[Record, ...]
    environment: dict[str, Value] = Field(default_factory=dict)
