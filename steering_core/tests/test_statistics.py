"""Intervals, tests and ratios against published numbers."""

from collections.abc import Callable

import numpy as np
import pytest

from steering_core.errors import EmptyMeasurement, SuiteError
from steering_core.statistics import (
    discordant,
    mcnemar_exact,
    paired_interval,
    prompts_needed,
    transfer_efficiency,
    wilson_interval,
)


def outcomes(successes: int, n: int) -> list[bool]:
    return [True] * successes + [False] * (n - successes)


def paired(both: int, only_a: int, only_b: int, neither: int) -> tuple[list[bool], list[bool]]:
    a = outcomes(both + only_a, both + only_a + only_b + neither)
    b = [True] * both + [False] * only_a + [True] * only_b + [False] * neither
    return a, b


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (30, 30, 88.6, 100),
        (29, 30, 83.3, 99.4),
        (28, 30, 78.7, 98.2),
        (25, 30, 66.4, 92.7),
        (23, 30, 59.1, 88.2),
        (17, 30, 39.2, 72.6),
        (50, 50, 92.9, 100),
        (45, 50, 78.6, 95.7),
        (0, 50, 0, 7.1),
        (10, 10, 72.2, 100),
    ],
)
def test_wilson_interval_is_the_published_one(successes: int, n: int, low: float, high: float) -> None:
    interval = wilson_interval(successes, n)
    assert (100 * interval.low, 100 * interval.high) == pytest.approx((low, high), abs=0.06)


def test_wilson_interval_widens_with_confidence() -> None:
    assert wilson_interval(8, 10, 0.99).low < wilson_interval(8, 10, 0.90).low


def test_discordant_counts_both_ways() -> None:
    assert discordant(*paired(both=5, only_a=3, only_b=1, neither=2)) == (3, 1)


@pytest.mark.parametrize(("b", "c", "p"), [(0, 0, 1.0), (7, 0, 2 / 2**7), (1, 5, 14 / 2**6), (3, 3, 1.0)])
def test_mcnemar_exact_is_a_two_sided_sign_test(b: int, c: int, p: float) -> None:
    assert mcnemar_exact(b, c) == pytest.approx(p) == mcnemar_exact(c, b)


@pytest.mark.parametrize(("n", "reach"), [(30, 8.27), (52, 4.95), (51, 5.04), (11, 19.74)])
def test_paired_interval_without_a_discordant_prompt_is_z2_by_n_plus_z2(n: int, reach: float) -> None:
    low, high = paired_interval(0, 0, n)
    assert (100 * low, 100 * high) == pytest.approx((-reach, reach), abs=0.006)


@pytest.mark.parametrize(("b", "c", "n"), [(5, 0, 30), (3, 3, 30), (23, 2, 30), (0, 30, 30), (15, 15, 30), (1, 0, 1)])
def test_paired_interval_is_where_the_score_reaches_the_quantile(b: int, c: int, n: int) -> None:
    """The score by its definition: its variance is that of the most likely cell probabilities on a fine grid."""
    low, high = paired_interval(b, c, n)
    mirrored = paired_interval(c, b, n)
    assert (-mirrored.high, -mirrored.low) == (low, high)
    assert -1 <= low <= (b - c) / n <= high <= 1
    for end in (low, high):
        if abs(end) < 1:
            shares = np.linspace(max(0, -end), (1 - end) / 2, 2_000_001)[1:-1]
            likelihood = b * np.log(shares + end) + c * np.log(shares) + (n - b - c) * np.log1p(-2 * shares - end)
            share = shares[np.nanargmax(likelihood)]
            score = abs(b - c - n * end) / np.sqrt(n * (2 * share + end - end**2))
            assert score == pytest.approx(1.6449, abs=2e-3)


@pytest.mark.parametrize(("points", "none", "one"), [(5, 52, 87), (10, 25, 42), (20, 11, 20)])
def test_prompts_needed_for_equivalence_are_the_published_ones(points: int, none: int, one: int) -> None:
    assert prompts_needed(0, 0, points / 100) == none
    assert prompts_needed(1, 0, points / 100) == one == prompts_needed(0, 1, points / 100)


@pytest.mark.parametrize(("b", "c"), [(2, 0), (3, 3), (10, 1)])
def test_prompts_needed_is_the_first_number_whose_interval_is_inside(b: int, c: int) -> None:
    n = prompts_needed(b, c, 0.05)
    assert max(map(abs, paired_interval(b, c, n))) < 0.05 <= max(map(abs, paired_interval(b, c, n - 1)))


@pytest.mark.parametrize(
    ("transfer", "own", "point", "low", "high"),
    [(30, 24, 1.25, 1.071, 1.579), (29, 29, 1.0, 0.900, 1.111), (5, 29, 0.172, 0.036, 0.321), (1, 30, 0.033, 0, 0.1)],
)
def test_transfer_efficiency_reproduces_the_published_table(
    transfer: int, own: int, point: float, low: float, high: float
) -> None:
    assert transfer_efficiency(outcomes(transfer, 30), outcomes(own, 30)) == pytest.approx((point, low, high), abs=5e-4)


def test_transfer_efficiency_follows_the_random_stream_of_the_study() -> None:
    """The study's own code gives these digits, for samples of different size; draws without own success are dropped."""
    ratio = transfer_efficiency(outcomes(17, 29), outcomes(23, 31))
    assert ratio == pytest.approx((0.7901049475262368, 0.5146871008939975, 1.128352490421456), rel=1e-12)
    assert transfer_efficiency(outcomes(6, 12), outcomes(1, 3)) == pytest.approx((1.5, 0.375, 2.25), rel=1e-12)


@pytest.mark.parametrize(
    "empty",
    [
        lambda: wilson_interval(0, 0),
        lambda: discordant([], []),
        lambda: transfer_efficiency([], [True]),
        lambda: transfer_efficiency([True], []),
        lambda: transfer_efficiency([True, True], [False, False]),
    ],
)
def test_an_empty_sample_is_refused(empty: Callable[[], object]) -> None:
    with pytest.raises(EmptyMeasurement):
        empty()


def test_impossible_counts_and_unpaired_outcomes_are_refused() -> None:
    with pytest.raises(SuiteError, match="31 successes of 30 trials"):
        wilson_interval(31, 30)
    with pytest.raises(SuiteError, match="-1 successes of 30 trials"):
        wilson_interval(-1, 30)
    with pytest.raises(SuiteError, match="2 outcomes against 1"):
        discordant([True, False], [True])
