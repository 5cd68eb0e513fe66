"""Records start as ERRORED, are frozen, and hold nothing that JSON cannot."""

import math

import pytest
from pydantic import ValidationError

from steering_core.records.record import Cell, Outcome, Record

CELL = Cell(clause="P6", model="tiny_qwen2", tool="hooks", other="pyvene")


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (CELL, "P6 tiny_qwen2 hooks~pyvene"),
        (Cell(clause="B1", model="m", tool="hooks", arm="native", repeat=0), "B1 m hooks native r0"),
        (Cell(clause="P1", model="m", tool="hooks", variant="last"), "P1 m hooks last"),
        (Cell(clause="D3", model="m"), "D3 m"),
    ],
)
def test_a_cell_has_a_readable_id(cell: Cell, text: str) -> None:
    assert cell.id == text


def test_a_record_starts_as_errored() -> None:
    record = Record(cell=CELL)

    assert (record.outcome, record.sentence) == (Outcome.ERRORED, "the check did not finish")
    assert (record.measured, record.blocked_by) == ({}, None)


def test_a_record_round_trips_through_json() -> None:
    record = Record(
        cell=CELL, outcome=Outcome.DIFFERS, measured={"max_abs": 0.1, "top": [[1, -2.5]], "bit_equal": False, "n": 3}
    )

    again = Record.model_validate_json(record.model_dump_json())

    assert again == record
    assert isinstance(again.measured["bit_equal"], bool)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_record_refuses_what_json_cannot_hold(value: float) -> None:
    with pytest.raises(ValidationError):
        Record(cell=CELL, measured={"x": value})


def test_a_record_refuses_unknown_fields_and_changes() -> None:
    record = Record(cell=CELL)
    with pytest.raises(ValidationError):
        Record(cell=CELL, verdict="agrees")  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        setattr(record, "outcome", Outcome.AGREES)  # noqa: B010 - mypy refuses the assignment too
