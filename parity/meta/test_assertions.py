"""The helpers that speak for the checks: each writes what it found, and fails with the same words."""

import math
from collections.abc import Callable

import pytest
import torch

from parity.plugin.assertions import assert_equal, assert_holds, assert_same
from steering_core.records.draft import Draft
from steering_core.records.record import Cell, Outcome

BASE = torch.arange(6.0).reshape(3, 2)


@pytest.fixture
def cell() -> Draft:
    return Draft(Cell(clause="P6", model="m", tool="a", other="b"))


def far(row: int, by: float) -> torch.Tensor:
    """BASE with one entry of a row moved."""
    moved = BASE.clone()
    moved[row, 1] += by
    return moved


def test_equal_tensors_agree_and_say_how_equal(cell: Draft) -> None:
    assert_same(cell, "stream", BASE, BASE.clone(), atol=1e-5)

    assert (cell.outcome, cell.sentence) == (Outcome.AGREES, "stream: bit-equal")
    assert cell.measured["bit_equal"] is True
    assert (cell.measured["max_abs"], cell.measured["tolerance"]) == (0.0, 1e-5)


def test_a_difference_within_the_tolerance_is_told(cell: Draft) -> None:
    assert_same(cell, "stream", far(2, 0.5), BASE, atol=0.5)

    assert (cell.outcome, cell.sentence) == (Outcome.AGREES, "stream: max|d| = 0.5 <= 0.5")
    assert cell.measured == {"max_abs": 0.5, "tolerance": 0.5, "bit_equal": False, "worst_prompt": 2}


def test_a_difference_beyond_it_fails_and_names_the_prompt(cell: Draft) -> None:
    with pytest.raises(AssertionError, match=r"P6 m a~b: stream: max\|d\| = 0.5 > 0.4 at \[2, 1\]; it is another"):
        assert_same(cell, "stream", far(2, 0.5), BASE, atol=0.4, explain=lambda: "it is another")

    assert cell.outcome is Outcome.DIFFERS
    assert (cell.measured["worst_prompt"], cell.measured["localized"]) == (2, "it is another")


def test_the_worst_of_several_comparisons_is_kept(cell: Draft) -> None:
    assert_same(cell, "first", far(2, 0.5), BASE, atol=1)
    assert_same(cell, "second", far(1, 0.25), BASE, atol=1)
    assert_same(cell, "third", BASE, BASE, atol=1)

    assert (cell.measured["max_abs"], cell.measured["worst_prompt"], cell.measured["bit_equal"]) == (0.5, 2, False)


def test_another_shape_is_told_before_any_value(cell: Draft) -> None:
    with pytest.raises(AssertionError, match=r"stream: shape: observed \[2, 2\], expected \[3, 2\]; two rows"):
        assert_same(cell, "stream", BASE[:2], BASE, explain=lambda: "two rows")

    assert cell.outcome is Outcome.DIFFERS


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_differs_and_can_be_recorded(cell: Draft, value: float) -> None:
    with pytest.raises(AssertionError, match="inf > 1e-05"):
        assert_same(cell, "stream", far(0, value), BASE, atol=1e-5)

    assert cell.finish("node").measured["max_abs"] == 1e300


def crash() -> str:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("differ", "words"),
    [
        (lambda cell: assert_same(cell, "stream", far(0, 1), BASE, explain=crash), "stream: max|d| = 1 > 0 at [0, 1]"),
        (lambda cell: assert_equal(cell, "dtype", "a", "b", explain=crash), "dtype: observed a, expected b"),
    ],
    ids=["tensor", "value"],
)
def test_a_search_for_the_name_that_crashes_does_not_hide_the_difference(
    cell: Draft, differ: Callable[[Draft], None], words: str
) -> None:
    with pytest.raises(ZeroDivisionError):
        differ(cell)
    cell.fail(Outcome.ERRORED, "ZeroDivisionError")

    assert (cell.outcome, cell.sentence) == (Outcome.DIFFERS, words)


def test_plain_values(cell: Draft) -> None:
    assert_equal(cell, "dtype", "float32", "float32")
    assert (cell.outcome, cell.sentence) == (Outcome.AGREES, "dtype: float32")

    with pytest.raises(AssertionError, match="P6 m a~b: dtype: observed float16, expected float32"):
        assert_equal(cell, "dtype", "float16", "float32")
    assert cell.outcome is Outcome.DIFFERS


def test_statements(cell: Draft) -> None:
    assert_holds(cell, True, "it holds", "it does not")
    assert (cell.outcome, cell.sentence) == (Outcome.AGREES, "it holds")

    with pytest.raises(AssertionError, match="P6 m a~b: it does not"):
        assert_holds(cell, False, "it holds", "it does not")
    assert (cell.outcome, cell.sentence) == (Outcome.DIFFERS, "it does not")
