"""What a table of steering at several layers must show, whatever its rates are (F4). Expected values are calculated here."""

import math
from collections.abc import Sequence
from statistics import mean
from typing import TYPE_CHECKING

from parity.plugin.arguments import Draft
from parity.plugin.assertions import assert_equal, assert_holds

if TYPE_CHECKING:
    from steering_core.measure.experiment import Experiment
    from steering_core.measure.multilayer.measured import LayerSteering
    from steering_core.measure.multilayer.setting import Setting

CLOSE, EXACT = 1e-3, 1e-5
"""Relative differences: of norms that were measured in two ways, and of what only was calculated."""
LEAST_NATS = 0.7
"""The search ends within 5 % of a strength; the divergence grows by no more than this between the ends."""
COMPARED_TOKENS = 4
"""Of each answer."""


def demand_shares(record: Draft, steering: "LayerSteering", method: str) -> None:
    """Weighted and orthogonal steering are what their formulas say of the layers' single effects."""
    __tracebackhide__ = True
    active = [each for each in steering.singles(method) if each.active]
    total, vectors = sum(each.effect for each in active), steering.vectors(method)
    if not active:
        return
    for edit, each in zip(steering.edits(method, "weighted"), active, strict=True):
        expected = each.coefficient * each.effect / total
        words = f"weighted: coefficient {edit.coefficient:.6g} at layer {each.layer}"
        assert_holds(record, near(edit.coefficient, expected, EXACT), words, f"{words}, expected {expected:.6g}")
    expected = mean(each.coefficient for each in active) / len(active)
    edits, before = steering.edits(method, "orthogonal"), None
    for edit, each in zip(edits, active, strict=True):
        own = vectors[each.layer].double()
        left = own if before is None else own - (own @ before) / (before @ before) * before
        gap = float((edit.vector.double() - left).norm() / own.norm())
        words = f"orthogonal: the vector of layer {each.layer} is off by {gap:.3g} of its length"
        assert_holds(record, gap <= EXACT, "orthogonal to the layer before", words)
        words = f"orthogonal: coefficient {edit.coefficient:.6g} at layer {each.layer}"
        assert_holds(record, near(edit.coefficient, expected, EXACT), words, f"{words}, expected {expected:.6g}")
        before = own


def demand_ratio(record: Draft, steering: "LayerSteering", setting: "Setting", scale: str) -> None:
    """The ratio is the sum of what is added over the norm at the last tokens of the prompts that are steered; as long
    vectors are added in the random control."""
    __tracebackhide__ = True
    from steering_core.measure.multilayer.setting import RATIO

    last, prompts = setting.edits[-1].site.layer, steering.experiment.prompts.evaluation
    norm = norms_after(steering.experiment, prompts, [last])[last]
    for edits, who in ((setting.edits, setting.combination), (setting.control_edits, "random")):
        added = sum(edit.vector.double() * edit.coefficient for edit in edits)
        expected = float(added.norm()) / norm  # type: ignore[union-attr]
        words = f"{who}: ratio {setting.ratios.total:.4g}"
        assert_holds(record, near(setting.ratios.total, expected, CLOSE), words, f"{words}, expected {expected:.4g}")
    if scale == "ratio":
        assert_holds(record, near(setting.ratios.total, RATIO, EXACT), f"ratio {RATIO:g}", f"not at ratio {RATIO:g}")
    if scale == "coefficient":
        settings = steering.experiment.settings
        total, asked = sum(edit.coefficient * float(edit.vector.norm()) for edit in setting.edits), settings.strength
        words = f"{setting.combination}: coefficients add up to {total:.4g}"
        assert_holds(record, near(total, asked * len(steering.layers), EXACT), words)


def demand_steered(record: Draft, steering: "LayerSteering", setting: "Setting") -> None:
    """Each of the layers is steered as the row says, and the answers that were counted begin as an observed generation
    with these edits does."""
    __tracebackhide__ = True
    from dataclasses import replace

    from steering_core.measure.dynamics.measured import REFERENCE
    from steering_core.observe.shifts import observe_generation

    here, batch = steering.experiment, steering.batches[0]
    untouched = replace(here.model, module=here.pristine)
    seen = observe_generation(REFERENCE, here.model, batch, setting.edits, COMPARED_TOKENS, untouched=untouched)
    claim = f"{setting.combination}: layers {[edit.site.layer for edit in setting.edits]} are steered"
    assert_holds(record, not seen.wrong, claim, f"not {claim}: {seen.describe()}")
    counted, width = steering.answers(setting.edits)[: len(batch.ids)], seen.ids.shape[1]
    same = counted[:, :width].equal(seen.ids)
    assert_holds(record, same, claim, f"{setting.combination}: the counted answers are not those of the row's edits")


def demand_control(record: Draft, steering: "LayerSteering", setting: "Setting") -> None:
    """Where a setting works, unsteered answers and as strong random steering do not, and fewer than half of the prompts
    moved the wrong way."""
    __tracebackhide__ = True
    plain = f"{steering.plain_counts.coherent} of {steering.plain_counts.total} unsteered answers are coherent refusals"
    assert_holds(record, not steering.plain_counts.works, plain)
    if not setting.counts.works:
        return
    control = f"{setting.control.coherent} of {setting.control.total} coherent refusals along random directions"
    assert_holds(record, not setting.control.works, control, f"random directions work too: {control}")
    wrong = (
        f"{setting.combination} works, and {setting.moved.wrong} of {setting.counts.total} prompts moved the wrong way"
    )
    assert_holds(record, setting.moved.wrong_share < 0.5, wrong)


def demand_divergence(record: Draft, steering: "LayerSteering", setting: "Setting", scale: str) -> None:
    """The divergence of the worst 5 % of tokens is that of the unsteered model's own answers, and at most 1 nat where
    settings are compared at that."""
    __tracebackhide__ = True
    from steering_core.measure.multilayer.setting import NATS

    expected = worst_divergence(steering, setting)
    words = f"{setting.combination}: the worst 5 % of tokens diverge by {setting.worst:.4g} nats"
    assert_holds(record, near(setting.worst, expected, CLOSE), words, f"{words}, expected {expected:.4g}")
    if scale == "divergence" and setting.search and setting.search.fails and setting.search.good:
        least = LEAST_NATS * NATS
        assert_holds(record, least <= setting.worst <= NATS, words, f"{words}, not between {least:g} and {NATS:g}")


def worst_divergence(steering: "LayerSteering", setting: "Setting") -> float:
    """One answer after the other, by torch's own divergence."""
    import torch

    from steering_core.measure import reference

    here, values = steering.experiment, list[float]()
    ends = set(reference.end_tokens(here.model.decoding(1), torch.device("cpu")).tolist())
    prompts = steering.divergence.prompts
    for ids, mask, answer in zip(prompts.ids, prompts.mask, steering.plain.tolist(), strict=False):
        tokens = answer[: next((n + 1 for n, token in enumerate(answer) if token in ends), len(answer))]
        whole = torch.cat([ids[mask.bool()], torch.tensor(tokens, device=ids.device)])[None]
        logs = []
        for edits in ([], setting.edits):
            with reference.steered(here.model, edits, torch.ones_like(whole)), here.model.inference():
                given = {"input_ids": whole, "attention_mask": torch.ones_like(whole)}
                logits = here.model.module(**given, use_cache=False).logits[0, -len(tokens) - 1 : -1]
            logs.append(logits.double().log_softmax(-1))
        values += torch.nn.functional.kl_div(logs[1], logs[0], reduction="none", log_target=True).sum(-1).tolist()
    worst = sorted(values, reverse=True)[: math.ceil(len(values) / 20)]
    return mean(worst)


def demand_search(record: Draft, steering: "LayerSteering", setting: "Setting", scale: str) -> None:
    """A strength that was searched for lies just below one that fails, and it is the one that was measured."""
    __tracebackhide__ = True
    from steering_core.measure.multilayer.ratios import at_ratio
    from steering_core.measure.multilayer.setting import RESOLUTION

    found = setting.search
    if scale not in ("divergence", "coherence") or found is None:
        return
    holds = steering.within_nats if scale == "divergence" else steering.stays_coherent
    for ratio, expected in ((found.good, True), (found.fails, False)):
        if ratio is not None:
            words = f"{setting.combination}: ratio {ratio:.4g} {'holds' if expected else 'fails'}"
            assert_equal(record, words, holds(at_ratio(setting.edits, steering.norms, ratio)), expected)
    if found.good is not None and found.fails is not None:
        assert_holds(record, near(setting.ratios.total, found.good, EXACT), "the strongest setting was measured")
        gap = f"{setting.combination}: the strongest lies between ratio {found.good:.4g} and {found.fails:.4g}"
        assert_holds(record, found.fails - found.good <= RESOLUTION * found.fails * (1 + EXACT), gap, f"{gap}: too far")


def norms_after(here: "Experiment", prompts: Sequence[str], blocks: Sequence[int]) -> dict[int, float]:
    """Block -> mean norm of its output at the last tokens of some prompts, by the independent capture."""
    from steering_core.localize.capture import read_sites
    from steering_core.models.sites import Site

    batch = here.batch(prompts)
    read = read_sites(here.model, batch, [Site("resid_post", block) for block in blocks])
    return {site.layer: float(batch.at_last(values).double().norm(dim=-1).mean()) for site, values in read.items()}


def near(value: float, expected: float, tolerance: float) -> bool:
    """Within a relative tolerance."""
    return math.isclose(value, expected, rel_tol=tolerance)
