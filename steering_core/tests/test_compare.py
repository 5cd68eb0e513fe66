"""Differences and cosines, each against values worked out by hand."""

import math

import pytest
import torch
from torch import Tensor

from steering_core.compare import compare, cosine, first_difference, largest_components, one_minus_cosine, unit
from steering_core.errors import EmptyMeasurement

BASE = torch.arange(24.0).reshape(2, 3, 4)


def changed(index: tuple[int, int, int], value: float, dtype: torch.dtype = torch.float32) -> Tensor:
    other = BASE.clone().to(dtype)
    other[index] = value
    return other


def test_reports_the_largest_difference_and_its_index() -> None:
    difference = compare(BASE, changed((1, 0, 2), 20.5))

    assert (difference.max_abs, difference.where, difference.bit_equal) == (6.5, (1, 0, 2), False)
    assert difference.within(6.5)
    assert not difference.within(6.4999)


@pytest.mark.parametrize("index", [(0, 0, 0), (0, 0, 3), (0, 1, 0), (1, 2, 3)])
def test_the_index_counts_the_last_axis_fastest(index: tuple[int, int, int]) -> None:
    assert compare(BASE, changed(index, 99.0)).where == index


def test_equal_tensors_are_bit_equal() -> None:
    difference = compare(BASE, BASE.clone())

    assert (difference.max_abs, difference.bit_equal) == (0.0, True)


@pytest.mark.parametrize(
    "other", [BASE.double(), changed((0, 0, 0), -0.0)], ids=["another dtype", "a zero of the other sign"]
)
def test_equal_values_are_not_always_the_same_bits(other: Tensor) -> None:
    difference = compare(BASE, other)

    assert (difference.max_abs, difference.bit_equal) == (0.0, False)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_non_finite_value_is_infinitely_far(value: float) -> None:
    difference = compare(BASE, changed((0, 2, 1), value))

    assert (difference.max_abs, difference.where) == (math.inf, (0, 2, 1))
    assert not difference.within(1e300)


def test_a_nan_on_both_sides_does_not_agree() -> None:
    assert not compare(changed((0, 0, 1), math.nan), changed((0, 0, 1), math.nan)).within(1e300)


def test_differences_of_half_precision_are_taken_in_double() -> None:
    left, right = torch.tensor([60000.0], dtype=torch.float16), torch.tensor([-60000.0], dtype=torch.float16)

    assert compare(left, right).max_abs == pytest.approx(120000, rel=1e-3), "the difference overflows in float16"


@pytest.mark.parametrize(("left", "right"), [(BASE, BASE[:1]), (BASE[:0], BASE[:0])], ids=["shapes", "empty"])
def test_refuses_different_shapes_and_empty_tensors(left: Tensor, right: Tensor) -> None:
    with pytest.raises(EmptyMeasurement, match="cannot be compared"):
        compare(left, right)


def test_cosine_of_known_angles() -> None:
    left, right = torch.tensor([3.0, 4.0]), torch.tensor([4.0, 3.0])

    assert cosine(left, right) == pytest.approx(24 / 25, abs=1e-15)
    assert cosine(left, -left) == pytest.approx(-1)
    assert cosine(left, 1000 * left) == 1.0


def test_the_gap_of_nearly_equal_directions_keeps_its_digits() -> None:
    angle = 1e-9
    turned = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)

    gap = one_minus_cosine(torch.tensor([1.0, 0.0], dtype=torch.float64), turned)

    assert gap == pytest.approx(angle**2 / 2, rel=1e-6), "cos itself rounds to 1 in float64"


def test_cosines_of_half_precision_are_taken_in_double() -> None:
    wide = torch.randn(4096, generator=torch.Generator().manual_seed(0)).bfloat16()

    assert one_minus_cosine(wide, wide.clone()) == 0.0
    assert one_minus_cosine(wide, -wide) == pytest.approx(2)


@pytest.mark.parametrize("vector", [torch.zeros(4), torch.tensor([1.0, math.nan]), torch.tensor([1.0, math.inf])])
def test_no_direction_without_a_finite_length(vector: Tensor) -> None:
    with pytest.raises(EmptyMeasurement, match="no direction"):
        unit(vector)


def test_unit_is_float64_of_length_one() -> None:
    vector = unit(torch.tensor([3e-20, 4e-20]))

    assert vector.dtype == torch.float64
    assert vector.tolist() == pytest.approx([0.6, 0.8])


def test_largest_components_are_signed_and_sorted() -> None:
    left, right = torch.tensor([0.0, 5.0, 0.0, 1.0]), torch.tensor([0.5, 2.0, 9.0, 1.0])

    assert largest_components(left, right, 3) == [[2, -9.0], [1, 3.0], [0, -0.5]]
    assert len(largest_components(left, right, 10)) == 4


@pytest.mark.parametrize(
    ("other", "place"),
    [
        ([[1, 2, 3], [4, 5, 6]], None),
        ([[1, 2, 9], [4, 9, 6]], [1, 1]),
        ([[1, 9, 3], [4, 9, 6]], [0, 1]),
        ([[1, 2], [4, 5]], [0, 2]),
        ([[1, 2, 3, 0], [4, 5, 6, 0]], [0, 3]),
        ([[1, 2], [9, 5]], [1, 0]),
    ],
    ids=["equal", "earliest step", "first row of it", "shorter", "longer", "shorter and different"],
)
def test_the_first_difference_of_two_sets_of_answers(other: list[list[int]], place: list[int] | None) -> None:
    assert first_difference(torch.tensor([[1, 2, 3], [4, 5, 6]]), torch.tensor(other)) == place
