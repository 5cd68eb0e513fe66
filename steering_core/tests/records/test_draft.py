"""A draft can be improved, but a difference stays."""

import math
from datetime import UTC, datetime

import pytest

from steering_core.errors import EmptyMeasurement
from steering_core.records.draft import Draft, storable
from steering_core.records.record import Cell, Outcome


@pytest.fixture
def draft() -> Draft:
    return Draft(Cell(clause="P1", model="m", tool="t"))


def test_a_check_that_compares_nothing_is_an_error(draft: Draft) -> None:
    draft.note(max_abs=0.0)

    with pytest.raises(EmptyMeasurement, match="P1 m t compared nothing"):
        draft.require_evidence()
    assert draft.finish("node").outcome is Outcome.ERRORED


def test_a_difference_stays_whatever_follows(draft: Draft) -> None:
    draft.agree("shape is equal")
    draft.differ("values differ", max_abs=1.0)
    draft.agree("dtype is equal", dtype="float32")
    draft.fail(Outcome.ERRORED, "crashed afterwards")

    draft.require_evidence()
    record = draft.finish("node")
    assert (record.outcome, record.sentence) == (Outcome.DIFFERS, "values differ")
    assert record.measured == {"max_abs": 1.0, "dtype": "float32"}


@pytest.mark.parametrize("outcome", [Outcome.ERRORED, Outcome.UNSUPPORTED, Outcome.ABSENT])
def test_a_crash_replaces_an_agreement(draft: Draft, outcome: Outcome) -> None:
    draft.agree("shape is equal")
    draft.fail(outcome, "crashed afterwards")

    assert (draft.finish("node").outcome, draft.finish("node").sentence) == (outcome, "crashed afterwards")


def test_the_last_agreement_gives_the_sentence(draft: Draft) -> None:
    draft.agree("shape is equal")
    draft.agree("values are bit-equal")

    assert draft.finish("node").sentence == "values are bit-equal"


def test_a_blocked_check_is_absent_with_the_reason(draft: Draft) -> None:
    draft.block("P1 m hooks")

    record = draft.finish("node")
    assert (record.outcome, record.blocked_by) == (Outcome.ABSENT, "P1 m hooks")
    assert record.sentence == "not run: blocked by P1 m hooks"


def test_the_record_has_the_start_and_duration_of_the_check(draft: Draft) -> None:
    draft.began -= 2.0
    between = datetime.now(UTC)

    record = draft.finish("parity/test_x.py::test[y]")

    assert record.started <= between
    assert 2.0 <= record.wall_seconds < 30.0
    assert record.nodeid == "parity/test_x.py::test[y]"


def test_a_tool_that_returns_nan_still_gets_its_record(draft: Draft) -> None:
    """A tool may return NaN; a record that could not be written would end the whole run."""
    draft.differ("moved by NaN", max_abs=math.nan, norms={"t": [1.0, math.inf]}, drop=-math.inf)

    assert draft.finish("node").measured == {"max_abs": 1e300, "norms": {"t": [1.0, 1e300]}, "drop": -1e300}


def test_a_message_with_a_lone_surrogate_still_gets_its_record(draft: Draft) -> None:
    """A file name that is not UTF-8 appears in an exception like this."""
    draft.fail(Outcome.ERRORED, "no file \udcff.bin")

    assert draft.finish("node").model_dump_json().count("no file \\\\udcff.bin") == 1


def test_everything_else_is_left_alone() -> None:
    value = {"a": [1, True, None, "ü", 2.5], "b": {"c": (1,)}}

    assert storable(value) == {"a": [1, True, None, "ü", 2.5], "b": {"c": [1]}}
    assert storable(True) is True
