"""Intervals, tests and ratios against published numbers."""

from collections.abc import Callable

import pytest

from steering_core.errors import EmptyMeasurement, SuiteError
from steering_core.statistics import discordant, mcnemar_exact, transfer_efficiency, wilson_interval


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
