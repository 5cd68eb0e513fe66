"""Intervals and tests for rates of coherent refusal, as proportions in [0, 1]; only margins are in percentage points.

Counts are of distinct prompts: greedy repeats of one prompt are one observation. scipy and statsmodels are imported
where they are used, because they cost most of a second and listing the checks needs neither.
"""

from collections.abc import Sequence
from math import asin, sqrt
from typing import NamedTuple

import numpy as np

from steering_core.errors import EmptyMeasurement, SuiteError

STUDY_DRAWS = 10_000
STUDY_SEED = 999


class Interval(NamedTuple):
    """A two-sided confidence interval; of a rate or of a difference of rates, as a proportion."""

    low: float
    high: float


class Ratio(NamedTuple):
    """A ratio of two rates with its percentile interval."""

    point: float
    low: float
    high: float


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of one rate: honest at 0/n and n/n, where a bootstrap has no width (Wilson 1927)."""
    from scipy.stats import binomtest

    _check_counts(successes, n)
    found = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return Interval(float(found.low), float(found.high))


def discordant(a: Sequence[bool], b: Sequence[bool]) -> tuple[int, int]:
    """How many prompts only `a` and only `b` refused; element i of both is the same prompt."""
    _check_paired(a, b)
    return sum(x and not y for x, y in zip(a, b, strict=True)), sum(y and not x for x, y in zip(a, b, strict=True))


def mcnemar_exact(b: int, c: int) -> float:
    """Two-sided exact p-value of McNemar's test from the two discordant counts; 1.0 when there are none."""
    from scipy.stats import binomtest

    return float(binomtest(b, b + c).pvalue) if b + c else 1.0


def fisher_exact(successes_a: int, n_a: int, successes_b: int, n_b: int) -> float:
    """Two-sided p-value of Fisher's exact test for two independent rates."""
    from scipy import stats

    _check_counts(successes_a, n_a)
    _check_counts(successes_b, n_b)
    table = [[successes_a, n_a - successes_a], [successes_b, n_b - successes_b]]
    return float(stats.fisher_exact(table).pvalue)


def cohens_h(rate_a: float, rate_b: float) -> float:
    """Cohen's effect size of two rates, 2 asin sqrt(a) - 2 asin sqrt(b), signed (Cohen 1988, ch. 6)."""
    for rate in (rate_a, rate_b):
        if not 0 <= rate <= 1:
            raise SuiteError("not-a-rate", f"{rate} is not a rate", "give a proportion between 0 and 1")
    return 2 * asin(sqrt(rate_a)) - 2 * asin(sqrt(rate_b))


def newcombe_difference(successes_a: int, n_a: int, successes_b: int, n_b: int, confidence: float = 0.95) -> Interval:
    """Interval of rate a - rate b for independent samples (Newcombe 1998a, method 10)."""
    from statsmodels.stats.proportion import confint_proportions_2indep

    _check_counts(successes_a, n_a)
    _check_counts(successes_b, n_b)
    low, high = confint_proportions_2indep(successes_a, n_a, successes_b, n_b, method="newcomb", alpha=1 - confidence)
    return Interval(float(low), float(high))


def paired_difference(a: Sequence[bool], b: Sequence[bool], confidence: float = 0.95) -> Interval:
    """Interval of rate a - rate b over the same prompts (Newcombe 1998b, method 10: Wilson limits, corrected phi).

    Neither scipy nor statsmodels has an interval for a paired difference; the test quotes the paper's own example.
    """
    only_a, only_b = discordant(a, b)
    n, wins_a, wins_b = len(a), sum(a), sum(b)
    low_a, high_a = wilson_interval(wins_a, n, confidence)
    low_b, high_b = wilson_interval(wins_b, n, confidence)
    rate_a, rate_b = wins_a / n, wins_b / n
    phi = _corrected_phi(wins_a - only_a, only_a, only_b, n)
    down = _combine(rate_a - low_a, high_b - rate_b, phi)
    up = _combine(high_a - rate_a, rate_b - low_b, phi)
    return Interval(rate_a - rate_b - down, rate_a - rate_b + up)


def equivalent_within(gap: Interval, margin_pp: float) -> bool:
    """Whether a gap is shown to be smaller than a margin: its interval lies strictly inside +- `margin_pp` points.

    With a 90 % interval this is the two one-sided tests procedure at the 5 % level (Schuirmann 1987).
    """
    margin = margin_pp / 100
    return -margin < gap.low and gap.high < margin


def transfer_efficiency(transfer: Sequence[bool], own: Sequence[bool]) -> Ratio:
    """Coherent rate under a foreign direction over the rate under the target's own, as the study computed it.

    Percentile bootstrap, unpaired, one legacy random stream for both samples, draws without an own success dropped.
    All-ones samples give an interval without width: report `wilson_interval` of both rates beside it.
    Raises EmptyMeasurement where the study printed infinity: the own direction never worked, so there is no ratio.
    """
    _check_counts(sum(transfer), len(transfer))
    _check_counts(sum(own), len(own))
    if not any(own):
        raise EmptyMeasurement(
            "no-own-effect", "the target's own direction never succeeded", "a ratio needs at least one own success"
        )
    rng = np.random.RandomState(STUDY_SEED)
    samples = (np.asarray(transfer, dtype=float), np.asarray(own, dtype=float))
    draws = [[x[rng.randint(0, len(x), size=len(x))].mean() for x in samples] for _ in range(STUDY_DRAWS)]
    top, bottom = np.array(draws).T
    low, high = np.percentile(top[bottom > 0] / bottom[bottom > 0], [2.5, 97.5])
    return Ratio(float(samples[0].mean() / samples[1].mean()), float(low), float(high))


def _corrected_phi(both: int, only_a: int, only_b: int, n: int) -> float:
    """Correlation of the paired outcomes, corrected for continuity when positive; 0 if a margin is empty."""
    neither = n - both - only_a - only_b
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    cross = both * neither - only_a * only_b
    return (max(cross - n / 2, 0) if cross > 0 else cross) / sqrt(margins) if margins else 0.0


def _combine(mine: float, other: float, phi: float) -> float:
    return sqrt(max(mine**2 - 2 * phi * mine * other + other**2, 0.0))


def _check_counts(successes: int, n: int) -> None:
    if n == 0:
        raise EmptyMeasurement("no-steering", "a rate of no trials was asked for", "give at least one prompt")
    if not 0 <= successes <= n:
        raise SuiteError("bad-counts", f"{successes} successes of {n} trials", "give 0 <= successes <= trials")


def _check_paired(a: Sequence[bool], b: Sequence[bool]) -> None:
    if len(a) != len(b):
        raise SuiteError(
            "unpaired",
            f"{len(a)} outcomes against {len(b)}",
            "give both tools' outcomes for the same prompts, in order",
        )
    _check_counts(0, len(a))
