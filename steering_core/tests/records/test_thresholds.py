"""Comparisons at the thresholds that no verdict test reaches."""

from fractions import Fraction
from math import nextafter

import pytest

from steering_core.records.thresholds import (
    CANONICAL,
    DECISION_THRESHOLDS,
    is_canonical,
    is_recovered,
    percent,
    premise_holds,
    quality_band,
)


@pytest.mark.parametrize("dtype", CANONICAL)
def test_canonical_direction_is_within_its_dtype_tolerance(dtype: str) -> None:
    assert is_canonical(CANONICAL[dtype], 1.0, dtype)
    assert is_canonical(0.0, 0.9991, dtype)
    assert not is_canonical(nextafter(CANONICAL[dtype], 1), 1.0, dtype)
    assert not is_canonical(0.0, 1.0011, dtype)


@pytest.mark.parametrize(
    ("gap", "ratio", "recovered"),
    [(nextafter(0.01, 0), 1.0, True), (0.01, 1.0, False), (0.0, 1.049, True), (0.0, 1.051, False), (0.0, 0.949, False)],
)
def test_recovered_direction_matches_in_angle_and_norm(gap: float, ratio: float, recovered: bool) -> None:
    assert is_recovered(gap, ratio) is recovered


@pytest.mark.parametrize(
    ("counts", "holds"),
    [((6, 10, 2, 10), True), ((5, 10, 2, 10), False), ((6, 10, 3, 10), False), ((11, 21, 7, 35), True)],
)
def test_premise_needs_more_than_half_refused_and_at_most_a_fifth_wrongly(
    counts: tuple[int, int, int, int], holds: bool
) -> None:
    assert premise_holds(*counts) is holds


@pytest.mark.parametrize(
    ("coherent", "garbled", "band"),
    [(18, 0, "coherent"), (17, 12, "mixed"), (12, 18, "mixed"), (11, 12, "garbled"), (11, 11, "mixed")],
)
def test_quality_bands_of_thirty_answers(coherent: int, garbled: int, band: str) -> None:
    assert quality_band(Fraction(coherent, 30), Fraction(garbled, 30)) == band


def test_percent_is_exact() -> None:
    assert percent(29, 30) - percent(23, 30) == 20


def test_decision_thresholds_are_those_of_the_protocol() -> None:
    assert sorted(DECISION_THRESHOLDS.values()) == [0.95, 0.99, 0.999, 5, 20]
