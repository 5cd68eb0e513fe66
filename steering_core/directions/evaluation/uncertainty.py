"""Numbers with their 95 % intervals: balanced accuracy, AUC, effect size, correlation. scipy is imported on use."""

from collections.abc import Sequence
from functools import lru_cache
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from steering_core.errors import EmptyMeasurement, SuiteError
from steering_core.statistics import wilson_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIDENCE, DRAWS, SEED = 0.95, 2000, 42


class Estimate(NamedTuple):
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


def mean_of_rates(first: tuple[int, int], second: tuple[int, int]) -> Estimate:
    """The mean of two independent rates, (successes, n) each: Wilson's intervals, combined by square-and-add.

    Newcombe 1998 (Stat. Med. 17, 873), method 10, for a sum in place of a difference: it keeps a width at 0 and at 1.
    """
    rates = [successes / n for successes, n in (first, second)]
    intervals = [wilson_interval(successes, n, CONFIDENCE) for successes, n in (first, second)]
    value = sum(rates) / 2
    below = sqrt(sum((rate - interval.low) ** 2 for rate, interval in zip(rates, intervals, strict=True))) / 2
    above = sqrt(sum((interval.high - rate) ** 2 for rate, interval in zip(rates, intervals, strict=True))) / 2
    return Estimate(value, value - below, value + above)


def auc(harmful: "NDArray[np.float64]", harmless: "NDArray[np.float64]") -> Estimate:
    """The chance that a harmful projection is above a harmless one, ties counted half: [prompts] each.

    Interval: the score interval of Newcombe 2006 (Stat. Med. 25, 559), method 5, which keeps a width at 0 and at 1.
    """
    from scipy.optimize import brentq
    from scipy.stats import mannwhitneyu, norm

    m, n = len(harmful), len(harmless)
    value = float(mannwhitneyu(harmful, harmless).statistic) / (m * n)
    z, more = float(norm.ppf((1 + CONFIDENCE) / 2)), (m + n) / 2 - 1

    def beyond(supposed: float) -> float:
        """The squared distance from the observed value, less z squared times its variance at a supposed one."""
        tails = (1 - supposed) / (2 - supposed) + supposed / (1 + supposed)
        return (value - supposed) ** 2 - z**2 * supposed * (1 - supposed) * (1 + more * tails) / (m * n)

    low = 0.0 if value == 0 else float(brentq(beyond, 0, value * (1 - 1e-12)))
    high = 1.0 if value == 1 else float(brentq(beyond, value + (1 - value) * 1e-12, 1))
    return Estimate(value, low, high)


def effect_size(harmful: "NDArray[np.float64]", harmless: "NDArray[np.float64]") -> Estimate:
    """Cohen's d, |difference of means| / sqrt((s_p^2 + s_n^2) / 2), s with n - 1: [prompts] each.

    Interval: percentiles of a seeded bootstrap of d in the observed order of the classes. Its lower end is negative where
    the order itself is open; draws without spread are dropped. EmptyMeasurement for rows without spread, where the source
    says 0: it would rank a perfect separation last.
    """
    if min(len(harmful), len(harmless)) < 2 or not (np.ptp(harmful) or np.ptp(harmless)):
        raise EmptyMeasurement("no-spread", "an effect size needs two rows per class, and spread", "hold out more rows")
    order = 1.0 if harmful.mean() >= harmless.mean() else -1.0
    value = float(_signed(harmful, harmless)) * order
    present, absent = _draws(len(harmful), len(harmless))
    draws = _signed(harmful[present], harmless[absent])
    low, high = np.percentile(order * draws[np.isfinite(draws)], [2.5, 97.5])
    return Estimate(value, float(low), float(high))


def correlation(metric: Sequence[float], effect: Sequence[float]) -> Estimate:
    """Pearson's r of an extraction metric with the effect on steering, one value per cell; Fisher's interval.

    SuiteError for lists of different lengths; EmptyMeasurement for fewer than 4 cells or a constant list.
    """
    from scipy.stats import pearsonr

    if len(metric) != len(effect):
        raise SuiteError("unpaired", f"{len(metric)} metrics, {len(effect)} effects", "give one of each per cell")
    if len(metric) < 4 or len(set(metric)) == 1 or len(set(effect)) == 1:
        sentence = f"{len(metric)} cells, {len(set(metric))} metrics and {len(set(effect))} effects differ"
        raise EmptyMeasurement("no-correlation", sentence, "give at least 4 cells that are not all equal")
    result = pearsonr(metric, effect)
    interval = result.confidence_interval(CONFIDENCE)
    return Estimate(float(result.statistic), float(interval.low), float(interval.high))


@lru_cache(maxsize=8)
def _draws(m: int, n: int) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Places of the rows in every draw, [draws, m] and [draws, n]: scipy.stats.bootstrap's, the same for every direction."""
    generator = np.random.default_rng(SEED)
    return generator.integers(0, m, (DRAWS, m)), generator.integers(0, n, (DRAWS, n))


def _signed(harmful: "NDArray[np.float64]", harmless: "NDArray[np.float64]", axis: int = -1) -> "NDArray[np.float64]":
    """Signed d along an axis; NaN where both classes have no spread, so that such a draw is dropped."""
    gap = harmful.mean(axis) - harmless.mean(axis)
    pooled = np.sqrt((harmful.var(axis, ddof=1) + harmless.var(axis, ddof=1)) / 2)
    return np.divide(gap, pooled, out=np.full_like(gap, np.nan), where=pooled > 0)
