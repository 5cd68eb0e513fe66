"""Typed reading of a record's numbers; a field that is missing or of another type is an ArtifactProblem."""

from steering_core.errors import ArtifactProblem
from steering_core.records.record import Outcome, Record, Value
from steering_core.records.thresholds import SLACK

MEASURED = (Outcome.AGREES, Outcome.DIFFERS)


def was_measured(record: Record) -> bool:
    """Whether the cell has a number; a crash, an absence and a refusal have none."""
    return record.outcome in MEASURED


def read_number(record: Record, key: str) -> float:
    """A float or an integer."""
    found = record.measured.get(key)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise _unreadable(record, key, "a number", found)
    return float(found)


def read_count(record: Record, key: str) -> int:
    """An integer >= 0."""
    found = record.measured.get(key)
    if isinstance(found, bool) or not isinstance(found, int) or found < 0:
        raise _unreadable(record, key, "a count", found)
    return found


def read_text(record: Record, key: str) -> str:
    """A string that is not empty."""
    found = record.measured.get(key)
    if not isinstance(found, str) or not found:
        raise _unreadable(record, key, "a text", found)
    return found


def read_one_minus_cosine(record: Record) -> float:
    """1 - cosine; a cosine outside [-1, 1] by more than rounding is a bug of whatever wrote it."""
    found = read_number(record, "one_minus_cosine")
    if not -SLACK <= found <= 2 + SLACK:
        raise ArtifactProblem(
            "impossible-cosine", f"{record.cell.id} has cosine {1 - found!r}", "cosines in float64 lie between -1 and 1"
        )
    return found


def _unreadable(record: Record, key: str, wanted: str, found: Value) -> ArtifactProblem:
    return ArtifactProblem(
        "unreadable-measurement", f"{record.cell.id} has {key} = {found!r}", f"a measured cell carries {wanted} there"
    )
