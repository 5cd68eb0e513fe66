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
    ("harmful_low", "harmless_high", "holds"),
    [(0.501, 0.199, True), (0.5, 0.1, False), (0.9, 0.2, False), (0.9, 0.199, True), (1.0, 1.0, False), (0, 0, False)],
)
def test_premise_needs_both_intervals_beyond_their_share(harmful_low: float, harmless_high: float, holds: bool) -> None:
    assert premise_holds(harmful_low, harmless_high) is holds


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
