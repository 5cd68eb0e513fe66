"""Intervals and tests for rates of coherent refusal, as proportions in [0, 1].

Counts are of distinct prompts: greedy repeats of one prompt are one observation. scipy is imported where it is used:
it takes most of a second, and listing the checks does not need it.
"""

from collections.abc import Sequence
from functools import cache
from math import sqrt
from typing import NamedTuple

import numpy as np

from steering_core.errors import EmptyMeasurement, SuiteError

EQUIVALENCE = 0.90
"""Confidence of the interval whose two ends are two one-sided tests at 5 %."""
STUDY_DRAWS = 10_000
STUDY_SEED = 999


class Interval(NamedTuple):
    """A two-sided confidence interval of a rate, as a proportion."""

    low: float
    high: float


class Ratio(NamedTuple):
    """A ratio of two rates with its percentile interval."""

    point: float
    low: float
    high: float


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of one rate (Wilson 1927): it keeps a width at 0/n and n/n, where a bootstrap has none."""
    from scipy.stats import binomtest

    _check_counts(successes, n)
    interval = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return Interval(float(interval.low), float(interval.high))


def discordant(a: Sequence[bool], b: Sequence[bool]) -> tuple[int, int]:
    """How many prompts only `a` and only `b` refused; element i of both is the same prompt."""
    if len(a) != len(b):
        raise SuiteError(
            "unpaired", f"{len(a)} outcomes against {len(b)}", "give outcomes of the same prompts, in order"
        )
    _check_counts(0, len(a))
    return sum(x and not y for x, y in zip(a, b, strict=True)), sum(y and not x for x, y in zip(a, b, strict=True))


def mcnemar_exact(b: int, c: int) -> float:
    """Two-sided exact p-value of McNemar's test from the two discordant counts; 1.0 when both are 0."""
    from scipy.stats import binomtest

    return float(binomtest(b, b + c).pvalue) if b + c else 1.0


@cache
def paired_interval(b: int, c: int, n: int, confidence: float = EQUIVALENCE) -> Interval:
    """Tango's score interval of the difference of two paired rates, first minus second (Tango 1998, Stat. Med. 17, 891).

    b, c: prompts that only the first and only the second refused; n: all prompts. Unlike Wald's, it keeps a width when
    no prompt is discordant. With `EQUIVALENCE`, the rates are equivalent within a margin if both ends are inside it.
    """
    from scipy.stats import norm

    _check_counts(b + c, n)
    quantile = float(norm.ppf((1 + confidence) / 2))
    return Interval(-_upper_limit(c, b, n, quantile), _upper_limit(b, c, n, quantile))


def prompts_needed(b: int, c: int, margin: float) -> int:
    """The fewest prompts with which these discordant counts show equivalence within `margin`, a proportion."""
    most = 1
    while _reach(b, c, most + b + c) >= margin:
        most *= 2
    least = most // 2
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if _reach(b, c, middle + b + c) >= margin else (least, middle)
    return most + b + c


def _reach(b: int, c: int, n: int) -> float:
    """How far from 0 the paired interval extends."""
    return max(map(abs, paired_interval(b, c, n)))


def _upper_limit(b: int, c: int, n: int, quantile: float) -> float:
    """Where Tango's score reaches -quantile, above the observed difference."""
    from scipy.optimize import brentq

    observed = (b - c) / n
    if observed == 1:
        return 1.0
    return float(brentq(lambda difference: _tango_score(b, c, n, difference) + quantile, observed, 1))


def _tango_score(b: int, c: int, n: int, difference: float) -> float:
    """Tango's statistic at a supposed difference in [observed, 1]; its variance has one nuisance parameter, p."""
    linear = (2 * n - b + c) * difference - b - c
    p = (sqrt(max(linear**2 + 8 * n * c * difference * (1 - difference), 0)) - linear) / (4 * n)
    variance = n * (2 * p + difference * (1 - difference))
    away = b - c - n * difference
    return away / sqrt(variance) if variance > 0 else 0.0 if away == 0 else -float("inf")


def transfer_efficiency(transferred: Sequence[bool], own: Sequence[bool]) -> Ratio:
    """Coherent rate under another model's direction over the rate under the target's own, as the study computed it.

    Percentile bootstrap, unpaired, one legacy random stream for both samples; draws without a success under the own
    direction are dropped. If every prompt succeeds the interval has no width: report both `wilson_interval`s with it.
    EmptyMeasurement where the study printed infinity: without any success under the own direction there is no ratio.
    """
    _check_counts(sum(transferred), len(transferred))
    _check_counts(sum(own), len(own))
    if not any(own):
        sentence = "the target's own direction never succeeded"
        raise EmptyMeasurement("no-own-effect", sentence, "a ratio needs at least one success under it")
    rng = np.random.RandomState(STUDY_SEED)
    samples = (np.asarray(transferred, dtype=float), np.asarray(own, dtype=float))
    draws = [[x[rng.randint(0, len(x), size=len(x))].mean() for x in samples] for _ in range(STUDY_DRAWS)]
    top, bottom = np.array(draws).T
    low, high = np.percentile(top[bottom > 0] / bottom[bottom > 0], [2.5, 97.5])
    return Ratio(float(samples[0].mean() / samples[1].mean()), float(low), float(high))


def _check_counts(successes: int, n: int) -> None:
    if n == 0:
        raise EmptyMeasurement("no-trials", "a rate of 0 trials is undefined", "give at least one prompt")
    if not 0 <= successes <= n:
        raise SuiteError("bad-counts", f"{successes} successes of {n} trials", "give 0 <= successes <= trials")
