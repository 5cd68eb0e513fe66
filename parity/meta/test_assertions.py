"""The assertion helpers of the checks: each writes its result to the record, and fails with the same message."""

import math
from collections.abc import Callable

import pytest
import torch

from parity.plugin.assertions import assert_equal, assert_holds, assert_same, assert_within_floor, note_relation
from steering_core.compare import compare
from steering_core.localize import Localization
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


def test_values_that_print_alike_are_told_apart_by_their_types(record: Draft) -> None:
    with pytest.raises(AssertionError, match=r"observed torch.float32 \(dtype\), expected torch.float32 \(str\)$"):
        assert_equal(record, "dtype", torch.float32, "torch.float32")


def test_statements_agree_when_true_and_differ_otherwise(record: Draft) -> None:
    assert_holds(record, True, "it holds", "it does not")
    assert (record.outcome, record.sentence) == (Outcome.AGREES, "it holds")

    with pytest.raises(AssertionError, match="P6 m a~b: it does not"):
        assert_holds(record, False, "it holds", "it does not")
    assert (record.outcome, record.sentence) == (Outcome.DIFFERS, "it does not")


RIGHT = Localization("equal up to rounding", matched=True, as_requested=True)
SCALED = Localization("scaled by 1.010", matched=True)
BIT_EQUAL, WITHIN, BEYOND = "bit-equal", "within floor", "beyond floor"


def against_floor(record: Draft, observed: torch.Tensor, floor: float, *named: Localization, atol: float = 0.0) -> None:
    """Compare with BASE; `named` is what was returned."""
    found = {f"tool{number}" if number else "": each for number, each in enumerate(named)}
    assert_within_floor(record, "stream", observed, BASE, floor=lambda: floor, localize=lambda: found, atol=atol)


@pytest.mark.parametrize("observed", [BASE.clone(), BASE.double()], ids=["equal", "another dtype"])
def test_equal_values_need_neither_floor_nor_name(record: Draft, observed: torch.Tensor) -> None:
    assert_within_floor(record, "stream", observed, BASE, floor=crash, localize=crash, atol=1e-5)

    exact = observed.dtype == BASE.dtype
    assert record.outcome is Outcome.AGREES
    assert record.measured == {
        **{"relation": BIT_EQUAL if exact else WITHIN, "tolerance": 1e-5, "bit_equal": exact},
        **{"max_abs": 0.0, "worst_prompt": 0},
    }


def test_rounding_of_the_requested_tensor_agrees(record: Draft) -> None:
    against_floor(record, shifted(2, 0.5), 0.5, RIGHT)

    assert (record.outcome, record.sentence) == (Outcome.AGREES, "stream: max|d| = 0.5 <= 0.5, within floor")
    assert record.measured == {
        **{"relation": WITHIN, "tolerance": 0.5, "bit_equal": False, "max_abs": 0.5, "worst_prompt": 2}
    }


def test_the_larger_of_floor_and_tolerance_counts(record: Draft) -> None:
    against_floor(record, shifted(2, 0.5), 0.25, RIGHT, atol=0.5)
    assert (record.outcome, record.measured["tolerance"]) == (Outcome.AGREES, 0.5)

    with pytest.raises(AssertionError, match=r"max\|d\| = 0.5 > 0.25 at \[2, 1\]; equal up to rounding"):
        against_floor(record, shifted(2, 0.5), 0.25, RIGHT, atol=0.125)
    assert (record.outcome, record.measured["relation"]) == (Outcome.DIFFERS, BEYOND)
    assert record.measured["localized"] == "equal up to rounding"


@pytest.mark.parametrize(
    "wrong", [SCALED, Localization("no known site matches"), Localization("off by one block", matched=True)]
)
def test_another_tensor_differs_even_within_the_floor(record: Draft, wrong: Localization) -> None:
    with pytest.raises(AssertionError, match=rf"0.5 is within the floor \(1\); tool1 {wrong.sentence}$"):
        against_floor(record, shifted(2, 0.5), 1.0, RIGHT, wrong)

    assert (record.outcome, record.measured["relation"]) == (Outcome.DIFFERS, WITHIN)
    assert record.measured["localized"] == f"tool1 {wrong.sentence}", "the right one is not named"


def test_values_that_are_not_finite_are_beyond_every_floor(record: Draft) -> None:
    with pytest.raises(AssertionError, match="inf > 1e"):
        against_floor(record, shifted(0, math.nan), 1e9, SCALED)


def test_expected_values_that_are_not_finite_are_said_to_be(record: Draft) -> None:
    """A half-precision model may overflow by itself: then no tool can be compared, and none is to be named."""
    lost = shifted(0, math.inf)
    with pytest.raises(AssertionError, match="stream: 1 of 6 values of the model itself are not finite$"):
        assert_within_floor(record, "stream", lost.clone(), lost, floor=crash, localize=crash, own=True)  # type: ignore[arg-type]
    assert record.outcome is Outcome.DIFFERS

    with pytest.raises(AssertionError, match="inf > 1 at .*; scaled by 1.010$"):
        assert_within_floor(record, "stream", BASE, lost, floor=lambda: 1.0, localize=lambda: {"": SCALED})


def test_a_difference_to_the_suites_own_values_is_not_called_nothing(record: Draft) -> None:
    same = Localization("returned x; requested x — nothing is wrong", matched=True, as_requested=True, bit_equal=True)
    words = r"> 0.25 at \[2, 1\]; what was returned is bit-equal to the suite's own capture of it: the model's values are not"
    with pytest.raises(AssertionError, match=words):
        against_floor(record, shifted(2, 0.5), 0.25, same)


def test_of_two_tools_the_one_that_returned_the_suites_own_values_is_not_named(record: Draft) -> None:
    same = Localization("nothing is wrong", matched=True, as_requested=True, bit_equal=True)
    changed = Localization("changed at 3 of 9 tokens", matched=True, as_requested=True)
    with pytest.raises(AssertionError, match=r"> 0.25 at \[2, 1\]; tool1 changed at 3 of 9 tokens$"):
        against_floor(record, shifted(2, 0.5), 0.25, same, changed)


def test_the_shape_comes_before_the_floor(record: Draft) -> None:
    with pytest.raises(AssertionError, match=r"stream: shape: observed \[2, 2\], expected \[3, 2\]"):
        against_floor(record, BASE[:2], 1.0, RIGHT)


def test_the_worst_relation_is_recorded(record: Draft) -> None:
    given = [note_relation(record, compare(shifted(1, gap), BASE), 0.5) for gap in (0, 0.25, 1, 0.25, 0)]

    assert given == [BIT_EQUAL, WITHIN, BEYOND, WITHIN, BIT_EQUAL]
    assert (record.measured["relation"], record.measured["max_abs"]) == (BEYOND, 1.0)
