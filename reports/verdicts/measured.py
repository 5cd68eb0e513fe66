"""Typed reading of the numbers in a record; a missing field, or one of another type, is an ArtifactProblem."""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from steering_core.errors import ArtifactProblem
from steering_core.records.record import Outcome, Record
from steering_core.records.thresholds import COSINE_ROUNDING


class Measurement(BaseModel):
    """Fields of a record's cell and of its `measured` that the rules read; types are not converted."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class Distance(Measurement):
    """Two directions, of a D1 or D2 record."""

    one_minus_cosine: float


class Repeats(Measurement):
    """How many repeats a D1 record compares."""

    repeats: NonNegativeInt


Numbers = TypeVar("Numbers", bound=Measurement)


def was_measured(record: Record) -> bool:
    """Whether the cell has a number; a crash, an absence and a refusal have none."""
    return record.outcome in (Outcome.AGREES, Outcome.DIFFERS)


def read_measured(record: Record, shape: type[Numbers]) -> Numbers:
    """The numbers of this shape in a record."""
    try:
        return shape.model_validate({**record.measured, **record.cell.model_dump()})
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        sentence = f"{record.cell.id} has {field} = {record.measured.get(field)!r}"
        raise ArtifactProblem("unreadable-measurement", sentence, first["msg"]) from None


def read_one_minus_cosine(record: Record) -> float:
    """1 - cosine; a cosine outside [-1, 1] by more than rounding is a bug of whatever wrote it."""
    distance = read_measured(record, Distance).one_minus_cosine
    if not -COSINE_ROUNDING <= distance <= 2 + COSINE_ROUNDING:
        sentence = f"{record.cell.id} has cosine {1 - distance!r}"
        raise ArtifactProblem("impossible-cosine", sentence, "cosines in float64 lie between -1 and 1")
    return distance
