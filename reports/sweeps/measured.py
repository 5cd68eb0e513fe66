"""The numbers of sweep records, read strictly: a missing field, or one of another type, is an ArtifactProblem."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError, model_validator

from reports.untrusted import plain
from steering_core.errors import ArtifactProblem
from steering_core.quality.classes import Quality
from steering_core.records.record import Cell, Outcome, Record
from steering_core.records.thresholds import does_work
from steering_core.statistics import wilson_interval

CLASSES = tuple(map(str, Quality))
Finite = Annotated[float, Field(allow_inf_nan=False)]
LISTED = Field(strict=False)
"""A tuple that may be written as a list, as in JSON; what is in it keeps its type."""
Block = Annotated[str, Field(pattern=r"^[0-9]{1,4}$")]
Multiplier = Annotated[str, Field(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6})?$")]
"""Keys, which are texts in JSON."""
FULL = "full"
"""The precision that a model was loaded in for every sweep but that of precisions."""
Triple = Annotated[tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt], LISTED]


class Numbers(BaseModel):
    """What a sweep record holds; fields that a view does not read are ignored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", arbitrary_types_allowed=True)

    record: Record

    @property
    def cell(self) -> Cell:
        """Which check it is."""
        return self.record.cell

    @property
    def via(self) -> str:
        """The tool that steered, with its arm; `reference` where the suite's own hooks did."""
        return ", ".join(filter(None, (self.cell.tool, self.cell.arm))) or "reference"


class Answer(BaseModel):
    """One steered answer that a record quotes."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    prompt: str
    text: str
    quality: Annotated[Quality, Field(alias="class", strict=False)]


class Counts(Numbers):
    """What a verdict needs of a condition; tables that others published say no more. Each distinct prompt counts once.

    depth: percent of the blocks; multiplier: on the plan's scale, where 15 is the model's own strength; parameters:
    weights of the model; validation: block -> (coherent, garbled, normal).
    """

    method: str
    layer: NonNegativeInt
    coherent: NonNegativeInt
    garbled: NonNegativeInt
    unique: Annotated[int, Field(gt=0, le=1_000_000)]
    depth: Annotated[int, Field(ge=0, le=100)] | None = None
    multiplier: Finite | None = None
    parameters: PositiveInt | None = None
    validation: dict[Block, Triple] = Field(default_factory=dict)
    precision: str = FULL
    origin: str = ""
    cosine_to_dim: Finite | None = None
    cosine_to_full: Finite | None = None
    samples: Annotated[tuple[Answer, ...], LISTED] = ()


class Condition(Counts):
    """Answers of one condition as this suite records them; direction_norm: of the raw direction. ratio: what is added at
    one block beside the mean norm of the activations there; cumulative_ratio: of all steered blocks, at the last one."""

    strength: Finite
    normal: NonNegativeInt
    unscored: NonNegativeInt = 0
    prompt_repeats: PositiveInt = 1
    direction_norm: Finite
    cosine_to_dim: Finite
    ratio: Finite | None = None
    cumulative_ratio: Finite | None = None
    samples: Annotated[tuple[Answer, ...], LISTED]

    @model_validator(mode="after")
    def check_counts(self) -> Self:
        """Every answer has one class."""
        if (total := sum(self.count(name) for name in CLASSES)) != self.unique:
            raise ValueError(f"{total} classes of {self.unique} answers")
        return self

    def count(self, name: str) -> int:
        """Answers of a class."""
        return int(getattr(self, name))

    def percent(self, name: str) -> float:
        """Share of a class."""
        return 100 * self.count(name) / self.unique

    def interval(self, name: str) -> tuple[float, float]:
        """Wilson's 95 % interval of a class's share in percent, on distinct prompts."""
        low, high = wilson_interval(self.count(name), self.unique)
        return 100 * low, 100 * high

    @property
    def works(self) -> bool:
        """Whether enough answers are coherent refusals by the classifier; a person who reads them may refute it."""
        return does_work(Fraction(self.coherent, self.unique))


class LayerPoint(Condition):
    """W1."""

    depth: Annotated[int, Field(ge=0, le=100)]
    multiplier: Finite


class SizePoint(Condition):
    """W2."""

    parameters: PositiveInt
    validation: dict[Block, Triple]


class PrecisionPoint(Condition):
    """W3. origin: extracted_again | full_applied. own_norm, cosine_to_full: of the direction of this precision."""

    precision: str
    origin: str
    own_norm: Finite
    cosine_to_full: Finite
    preserved: bool
    extraction_seconds: Finite


class StrengthBand(Numbers):
    """W4: ends as (fails, works) and (works, fails); None on a side where the grid ends; counts: multiplier ->
    (coherent, garbled, all); own_strength: what stands for 15x; ratios: multiplier -> perturbation ratio at the first steered
    block, and of all at the last one, empty in older records."""

    method: str
    layer: NonNegativeInt
    own_strength: Finite
    low: Annotated[tuple[Finite | None, Finite], LISTED] | None
    high: Annotated[tuple[Finite, Finite | None], LISTED] | None
    counts: dict[Multiplier, Annotated[tuple[NonNegativeInt, NonNegativeInt, PositiveInt], LISTED]] = Field(
        min_length=1
    )
    breaks: Finite | None
    gaps: Annotated[tuple[Finite, ...], LISTED]
    ratios: dict[Multiplier, Annotated[tuple[Finite, Finite], LISTED]] = Field(default_factory=dict)

    def ratio_at(self, multiplier: float | None) -> float | None:
        """The perturbation ratio at the first steered block, if it was recorded."""
        pair = None if multiplier is None else self.ratios.get(f"{multiplier:g}")
        return pair[0] if pair else None

    @cached_property
    def points(self) -> list[tuple[float, tuple[int, int, int]]]:
        """(multiplier, counts), weakest first."""
        return sorted((float(text), counts) for text, counts in self.counts.items())


Kind = TypeVar("Kind", bound=Numbers)
CONDITIONS: dict[str, type[Condition]] = {"W1": LayerPoint, "W2": SizePoint, "W3": PrecisionPoint}
CLAUSES: dict[type[Numbers], str] = {kind: clause for clause, kind in CONDITIONS.items()} | {StrengthBand: "W4"}


def read_points(records: Sequence[Record], kind: type[Kind]) -> list[Kind]:
    """The measured records of this kind's clause, in their order."""
    clause = CLAUSES[kind]
    return [read_as(record, kind) for record in records if record.cell.clause == clause and was_measured(record)]


def read_conditions(records: Sequence[Record]) -> Iterator[Condition]:
    """Every measured condition whose answers are quoted: W1, W2, W3."""
    for kind in CONDITIONS.values():
        yield from read_points(records, kind)


def is_swept(records: Sequence[Record]) -> bool:
    """Whether there is a measured sweep record."""
    return any(record.cell.clause in CLAUSES.values() and was_measured(record) for record in records)


def was_measured(record: Record) -> bool:
    """Whether its numbers are a result; a crash has none, and those of steering that was found wrong are not one."""
    return record.outcome is Outcome.AGREES


def read_as(record: Record, kind: type[Kind]) -> Kind:
    """The numbers of one record."""
    fields: dict[str, Any] = {**record.measured, "record": record}
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "counts"
        sentence = plain(f"{record.cell.id}: {field}: {first['msg']}", 200)
        raise ArtifactProblem("unreadable-sweep", sentence, "expected a record of this suite's sweeps") from None
