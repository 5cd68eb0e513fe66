"""What is concluded from a run: one conclusion, the rule behind it, its numbers, its strength and its scope."""

from enum import StrEnum

from pydantic import Field

from steering_core.records.record import Frozen, Outcome
from steering_core.records.thresholds import LINES

VERDICT_SCHEMA = 1


class Conclusion(StrEnum):
    """What a run shows. Outcomes 1 to 4 are those of the phase 1 protocol, section E."""

    INCOMPLETE = "INCOMPLETE"
    INVALID = "INVALID"
    UNSTABLE = "UNSTABLE"
    OUTCOME_1 = "OUTCOME_1"
    OUTCOME_2 = "OUTCOME_2"
    OUTCOME_4 = "OUTCOME_4"
    OUTCOME_3 = "OUTCOME_3"
    INDETERMINATE = "INDETERMINATE"
    PREFLIGHT_PASSED = "PREFLIGHT_PASSED"
    PREFLIGHT_FAILED = "PREFLIGHT_FAILED"

    @property
    def label(self) -> str:
        """`OUTCOME 4`, for people."""
        return self.value.replace("_", " ")


class Cause(Frozen):
    """A preflight clause, or the premise B3, that does not hold (DIFFERS) or crashed (ERRORED).

    sentence: the localized site where there is one, else the check's own words. text: all of it in one line.
    """

    clause: str
    name: str
    model: str
    tool: str | None
    other: str | None
    outcome: Outcome
    sentence: str
    cell: str
    text: str


class Reach(Frozen):
    """How far a number is from a line: positive is short of it, negative is past it, in the number's own unit."""

    rule: str
    holds: bool
    distance: float


class Quantity(Frozen):
    """A worst number of one model. unit: `cosine` or `pp`. band: stable | unstable, or agrees | between | diverges.

    where: the tools, arm and repeat that gave it. one_minus_cosine: what the rules compare, for a cosine.
    """

    name: str
    value: float
    unit: str
    band: str
    where: str
    reaches: tuple[Reach, ...]
    text: str
    one_minus_cosine: float | None = None


class ModelNumbers(Frozen):
    """The rules' inputs for one model; a quantity is None where nothing was measured.

    w: worst within-tool cosine. c: worst cross-tool cosine. g: largest gap of coherent rate between two tools.
    relation: agrees | diverges | in a hole | not measured. holes: each quantity that no rule covers, in words.
    rates: coherent rate per tool over its arms and repeats, percent. passing: tools with every preflight clause.
    """

    model: str
    w: Quantity | None
    c: Quantity | None
    g: Quantity | None
    relation: str
    holes: tuple[str, ...]
    rates: dict[str, float]
    passing: tuple[str, ...]
    token_identical: bool


class Strength(Frozen):
    """How much the rates can carry. kind: token-identical | intervals | not measured. lines: one per model."""

    kind: str
    lines: tuple[str, ...] = ()


class Scope(Frozen):
    """What the verdict is about, and nothing beyond. tools: {name: version}."""

    models: tuple[str, ...]
    tools: dict[str, str]
    sites: tuple[str, ...]
    prompts: str
    preset: str
    sentence: str


class Verdict(Frozen):
    """The conclusion of a run.

    headline: one sentence. rule: the rule that fired. action: what the protocol asks for now. likely_cause: the first
    of `failures`. missing: what was not measured, grouped. notes: findings beside the conclusion.
    proceed_tool, ties, proceed_reason: which tool goes on and why, or why none does; ties are listed with the winner.
    """

    schema_version: int = VERDICT_SCHEMA
    conclusion: Conclusion
    headline: str
    rule: str
    action: str
    numbers: tuple[ModelNumbers, ...]
    thresholds: dict[str, float] = Field(default_factory=lambda: dict(LINES))
    strength: Strength
    proceed: bool
    proceed_tool: str | None
    ties: tuple[str, ...]
    tie_break: str
    proceed_reason: str
    likely_cause: Cause | None
    failures: tuple[Cause, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]
    scope: Scope
