"""How much the rates can carry: tokens equal by construction, or intervals and the prompts on which the tools differ."""

from collections.abc import Sequence

from reports.verdicts.model_evidence import ModelEvidence
from reports.verdicts.paired import weigh_pairs
from reports.verdicts.rates import Gap
from reports.verdicts.verdict import PairedRates, Strength
from steering_core.records.thresholds import AGREE_PP, DIVERGE_PP
from steering_core.statistics import mcnemar_exact

SHOWN = 10
"""Discordant prompts that are listed; the B2 records hold all of them."""


def weigh_strength(models: Sequence[ModelEvidence]) -> Strength:
    """`token-identical` only if that holds for every model; `not measured` when no two tools were compared."""
    compared = [(model, model.gap) for model in models if model.gap is not None]
    if not compared:
        return Strength(kind="not measured")
    identical = len(compared) == len(models) and all(model.numbers.token_identical for model in models)
    open_models = [model for model, _ in compared if not model.numbers.token_identical]
    weighed = {model.model: weigh_pairs(model.model, model.gaps) for model in open_models}
    paired = {name: rates for name, rates in weighed.items() if rates is not None}
    lines = tuple(f"{model.model}: {_describe(gap, paired.get(model.model))}" for model, gap in compared)
    kind = "token-identical" if identical else "intervals"
    return Strength(kind=kind, lines=lines, paired=tuple(paired.values()))


def _describe(gap: Gap, paired: PairedRates | None) -> str:
    if paired is None:
        return "within each arm all answers are equal token for token; the gap is 0 by construction"
    elsewhere = "" if paired.where == gap.where else f" ({paired.where})"
    prompts, n = gap.discordant, gap.more.total
    only_more = sum(gap.more.classes[index] == "C" for index in prompts)
    p = mcnemar_exact(only_more, len(prompts) - only_more)
    agreeing, diverging = _count(AGREE_PP * n // 100), _count(DIVERGE_PP * n // 100 + 1)
    return (
        f"{paired.text}{elsewhere}; widest gap {gap.more.text} against {gap.less.text} ({gap.where}); "
        f"discordant prompts: {_list_prompts(prompts)}, exact McNemar p = {p:.3g}; "
        f"at n = {n}, {AGREE_PP} pp is {agreeing} and more than {DIVERGE_PP} pp is {diverging}"
    )


def _list_prompts(prompts: tuple[int, ...]) -> str:
    listed = ", ".join(map(str, prompts[:SHOWN])) + (", ..." if len(prompts) > SHOWN else "")
    return f"{len(prompts)} ({listed})" if prompts else "0"


def _count(prompts: int) -> str:
    return "1 prompt" if prompts == 1 else f"{prompts} prompts"
