"""Intervals and tests against published numbers; not against the study's p-values that do not recompute."""

from collections.abc import Callable

import pytest

from steering_core.errors import EmptyMeasurement, SuiteError
from steering_core.statistics import (
    Interval,
    cohens_h,
    discordant,
    equivalent_within,
    fisher_exact,
    mcnemar_exact,
    newcombe_difference,
    paired_difference,
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
    found = wilson_interval(successes, n)
    assert (100 * found.low, 100 * found.high) == pytest.approx((low, high), abs=0.06)


def test_wilson_interval_widens_with_confidence() -> None:
    assert wilson_interval(8, 10, 0.99).low < wilson_interval(8, 10, 0.90).low


@pytest.mark.parametrize(
    ("a", "b", "p"),
    [((50, 50), (30, 50), 1.8e-7), ((10, 10), (6, 10), 0.087), ((23, 30), (17, 30), 0.170)],
)
def test_fisher_exact_recomputes_what_the_study_misreported(a: tuple[int, int], b: tuple[int, int], p: float) -> None:
    assert fisher_exact(*a, *b) == pytest.approx(p, rel=0.03)
    assert fisher_exact(*b, *a) == pytest.approx(p, rel=0.03)


@pytest.mark.parametrize(("a", "b", "h"), [(1, 0.6, 1.37), (23 / 30, 17 / 30, 0.43), (29 / 30, 0, 2.77)])
def test_cohens_h_is_signed(a: float, b: float, h: float) -> None:
    assert cohens_h(a, b) == pytest.approx(h, abs=0.005)
    assert cohens_h(b, a) == -cohens_h(a, b)


def test_discordant_counts_both_ways() -> None:
    assert discordant(*paired(both=5, only_a=3, only_b=1, neither=2)) == (3, 1)


@pytest.mark.parametrize(("b", "c", "p"), [(0, 0, 1.0), (7, 0, 2 / 2**7), (1, 5, 14 / 2**6), (3, 3, 1.0)])
def test_mcnemar_exact_is_a_two_sided_sign_test(b: int, c: int, p: float) -> None:
    assert mcnemar_exact(b, c) == pytest.approx(p) == mcnemar_exact(c, b)


@pytest.mark.parametrize(
    ("a", "b", "low", "high"),
    [((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090)],
)
def test_newcombe_difference_gives_the_examples_of_the_paper(
    a: tuple[int, int], b: tuple[int, int], low: float, high: float
) -> None:
    assert newcombe_difference(*a, *b) == pytest.approx((low, high), abs=5e-5)


def test_paired_difference_gives_the_example_of_the_paper() -> None:
    assert paired_difference(*paired(36, 12, 2, 0)) == pytest.approx((0.0569, 0.3404), abs=5e-5)


def test_paired_difference_of_a_swap_is_mirrored() -> None:
    a, b = paired(both=20, only_a=4, only_b=1, neither=5)
    there, back = paired_difference(a, b), paired_difference(b, a)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_pairing_narrows_the_interval_and_keeps_a_width_without_any_discordance() -> None:
    a, b = paired(both=20, only_a=1, only_b=1, neither=8)
    found = paired_difference(a, b)
    assert found == pytest.approx((-0.11581, 0.11581), abs=5e-6)  # phi = (160 - 1 - 15) / 189
    unpaired = newcombe_difference(sum(a), 30, sum(b), 30)
    assert unpaired.low < found.low < 0 < found.high < unpaired.high
    assert paired_difference(*paired(30, 0, 0, 0)).low < -0.05


@pytest.mark.parametrize(
    ("low", "high", "equivalent"),
    [(-0.04, 0.04, True), (-0.05, 0.04, False), (-0.04, 0.05, False), (0.01, 0.02, True), (-0.3, 0.01, False)],
)
def test_equivalence_needs_the_whole_interval_inside_the_margin(low: float, high: float, equivalent: bool) -> None:
    assert equivalent_within(Interval(low, high), margin_pp=5) is equivalent


@pytest.mark.parametrize(
    ("transfer", "own", "point", "low", "high"),
    [(30, 24, 1.25, 1.071, 1.579), (29, 29, 1.0, 0.900, 1.111), (5, 29, 0.172, 0.036, 0.321), (1, 30, 0.033, 0, 0.1)],
)
def test_transfer_efficiency_reproduces_the_published_table(
    transfer: int, own: int, point: float, low: float, high: float
) -> None:
    assert transfer_efficiency(outcomes(transfer, 30), outcomes(own, 30)) == pytest.approx((point, low, high), abs=5e-4)


def test_transfer_efficiency_follows_the_random_stream_of_the_study() -> None:
    """The study's own code gives these digits; samples of different size, draws without own success dropped."""
    found = transfer_efficiency(outcomes(17, 29), outcomes(23, 31))
    assert found == pytest.approx((0.7901049475262368, 0.5146871008939975, 1.128352490421456), rel=1e-12)
    assert transfer_efficiency(outcomes(6, 12), outcomes(1, 3)) == pytest.approx((1.5, 0.375, 2.25), rel=1e-12)


@pytest.mark.parametrize(
    "empty",
    [
        lambda: wilson_interval(0, 0),
        lambda: fisher_exact(0, 0, 1, 2),
        lambda: fisher_exact(1, 2, 0, 0),
        lambda: newcombe_difference(0, 0, 1, 2),
        lambda: newcombe_difference(1, 2, 0, 0),
        lambda: discordant([], []),
        lambda: paired_difference([], []),
        lambda: transfer_efficiency([], [True]),
        lambda: transfer_efficiency([True], []),
        lambda: transfer_efficiency([True, True], [False, False]),
    ],
)
def test_nothing_is_said_about_nothing(empty: Callable[[], object]) -> None:
    with pytest.raises(EmptyMeasurement):
        empty()


def test_impossible_counts_and_unpaired_outcomes_are_refused() -> None:
    with pytest.raises(SuiteError, match="31 successes of 30 trials"):
        wilson_interval(31, 30)
    with pytest.raises(SuiteError, match="-1 successes of 30 trials"):
        newcombe_difference(1, 2, -1, 30)
    with pytest.raises(SuiteError, match="2 outcomes against 1"):
        discordant([True, False], [True])
    with pytest.raises(SuiteError, match="1.2 is not a rate"):
        cohens_h(0.5, 1.2)
