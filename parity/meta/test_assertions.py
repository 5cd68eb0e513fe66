"""The assertion helpers of the checks: each writes its result to the record, and fails with the same message."""

import math
from collections.abc import Callable

import pytest
import torch

from parity.plugin.assertions import assert_equal, assert_holds, assert_same
from steering_core.records.draft import Draft
from steering_core.records.record import Cell, Outcome

BASE = torch.arange(6.0).reshape(3, 2)


@pytest.fixture
def record() -> Draft:
    return Draft(Cell(clause="P6", model="m", tool="a", other="b"))


def shifted(row: int, by: float) -> torch.Tensor:
    """BASE with one entry of a row changed."""
    tensor = BASE.clone()
    tensor[row, 1] += by
    return tensor


def test_equal_tensors_agree_and_are_recorded_as_bit_equal(record: Draft) -> None:
    assert_same(record, "stream", BASE, BASE.clone(), atol=1e-5)

    assert (record.outcome, record.sentence) == (Outcome.AGREES, "stream: bit-equal")
    assert record.measured["bit_equal"] is True
    assert (record.measured["max_abs"], record.measured["tolerance"]) == (0.0, 1e-5)


def test_a_difference_within_the_tolerance_agrees_and_is_recorded(record: Draft) -> None:
    assert_same(record, "stream", shifted(2, 0.5), BASE, atol=0.5)

    assert (record.outcome, record.sentence) == (Outcome.AGREES, "stream: max|d| = 0.5 <= 0.5")
    assert record.measured == {"max_abs": 0.5, "tolerance": 0.5, "bit_equal": False, "worst_prompt": 2}


def test_a_difference_beyond_the_tolerance_fails_and_names_the_prompt(record: Draft) -> None:
    with pytest.raises(AssertionError, match=r"P6 m a~b: stream: max\|d\| = 0.5 > 0.4 at \[2, 1\]; the wrong tensor"):
        assert_same(record, "stream", shifted(2, 0.5), BASE, atol=0.4, explain=lambda: "the wrong tensor")

    assert record.outcome is Outcome.DIFFERS
    assert (record.measured["worst_prompt"], record.measured["localized"]) == (2, "the wrong tensor")


def test_the_largest_of_several_differences_is_recorded(record: Draft) -> None:
    assert_same(record, "first", shifted(2, 0.5), BASE, atol=1)
    assert_same(record, "second", shifted(1, 0.25), BASE, atol=1)
    assert_same(record, "third", BASE, BASE, atol=1)

    assert (record.measured["max_abs"], record.measured["worst_prompt"], record.measured["bit_equal"]) == (
        0.5,
        2,
        False,
    )


def test_a_different_shape_is_reported_before_any_value(record: Draft) -> None:
    with pytest.raises(AssertionError, match=r"stream: shape: observed \[2, 2\], expected \[3, 2\]; two rows"):
        assert_same(record, "stream", BASE[:2], BASE, explain=lambda: "two rows")

    assert record.outcome is Outcome.DIFFERS


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_nan_and_infinity_differ_and_are_recorded_as_finite(record: Draft, value: float) -> None:
    with pytest.raises(AssertionError, match="inf > 1e-05"):
        assert_same(record, "stream", shifted(0, value), BASE, atol=1e-5)

    assert record.finish("node").measured["max_abs"] == 1e300


def crash() -> str:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("differ", "sentence"),
    [
        (
            lambda record: assert_same(record, "stream", shifted(0, 1), BASE, explain=crash),
            "stream: max|d| = 1 > 0 at [0, 1]",
        ),
        (lambda record: assert_equal(record, "dtype", "a", "b", explain=crash), "dtype: observed a, expected b"),
    ],
    ids=["tensor", "value"],
)
def test_a_crash_in_explain_does_not_hide_the_difference(
    record: Draft, differ: Callable[[Draft], None], sentence: str
) -> None:
    with pytest.raises(ZeroDivisionError):
        differ(record)
    record.fail(Outcome.ERRORED, "ZeroDivisionError")

    assert (record.outcome, record.sentence) == (Outcome.DIFFERS, sentence)


def test_plain_values_agree_when_equal_and_differ_otherwise(record: Draft) -> None:
    assert_equal(record, "dtype", "float32", "float32")
    assert (record.outcome, record.sentence) == (Outcome.AGREES, "dtype: float32")

    with pytest.raises(AssertionError, match="P6 m a~b: dtype: observed float16, expected float32"):
        assert_equal(record, "dtype", "float16", "float32")
    assert record.outcome is Outcome.DIFFERS


def test_statements_agree_when_true_and_differ_otherwise(record: Draft) -> None:
    assert_holds(record, True, "it holds", "it does not")
    assert (record.outcome, record.sentence) == (Outcome.AGREES, "it holds")

    with pytest.raises(AssertionError, match="P6 m a~b: it does not"):
        assert_holds(record, False, "it holds", "it does not")
    assert (record.outcome, record.sentence) == (Outcome.DIFFERS, "it does not")
