"""Whether the answers of two tools show that their coherent rates are equivalent, different, or neither."""

from collections.abc import Iterable

from reports.verdicts.rates import Gap
from reports.verdicts.verdict import PairedRates
from steering_core.records.thresholds import AGREE_PP, DISCORDANT_P
from steering_core.statistics import mcnemar_exact, paired_interval, prompts_needed

EQUIVALENT, DIFFERENT, UNDERPOWERED = "EQUIVALENT", "DIFFERENT", "UNDERPOWERED"


def weigh_pairs(model: str, gaps: Iterable[Gap]) -> PairedRates | None:
    """The two rates of a model that are hardest to call equivalent: one that is different, else the widest interval."""
    pairs = [compare(model, gap) for gap in gaps]
    return max(pairs, key=lambda pair: (pair.conclusion == DIFFERENT, _reach(pair)), default=None)


def compare(model: str, gap: Gap) -> PairedRates:
    """EQUIVALENT if the 90 % interval lies within the margin; else DIFFERENT if McNemar's exact test says so.

    The exact test decides on a difference because the score interval is too short with five discordant prompts or fewer.
    """
    more, less, prompts = gap.counts
    low, high = (100 * end for end in paired_interval(more, less, prompts))
    conclusion, needed = UNDERPOWERED, None
    if max(-low, high) < AGREE_PP:
        conclusion = EQUIVALENT
    elif mcnemar_exact(more, less) < DISCORDANT_P:
        conclusion = DIFFERENT
    else:
        needed = prompts_needed(more, less, AGREE_PP / 100)
    return PairedRates(
        model=model,
        where=gap.where,
        conclusion=conclusion,
        margin_pp=AGREE_PP,
        prompts=prompts,
        only_more=more,
        only_less=less,
        low_pp=low,
        high_pp=high,
        prompts_needed=needed,
        text=_describe(conclusion, low, high, prompts, more + less, needed),
    )


def _describe(conclusion: str, low: float, high: float, prompts: int, discordant: int, needed: int | None) -> str:
    interval = f"90 % paired interval {low:+.1f} to {high:+.1f} pp at n = {prompts}"
    if conclusion == DIFFERENT:
        return f"DIFFERENT: {interval}"
    if needed is None:
        return f"EQUIVALENT within {AGREE_PP} pp: {interval}"
    counted = f"{discordant} discordant {'prompt' if discordant == 1 else 'prompts'}"
    return f"UNDERPOWERED: {interval}; equivalence within {AGREE_PP} pp needs n = {needed} with {counted}"


def _reach(pair: PairedRates) -> float:
    return max(-pair.low_pp, pair.high_pp)
