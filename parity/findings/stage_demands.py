"""What the curves of two tuning stages must show, wherever they are steered and collapse. Expected values are counted here."""

from typing import TYPE_CHECKING

from parity.findings.layer_demands import CLOSE, near, norms_after
from parity.plugin.arguments import Draft
from parity.plugin.assertions import assert_holds
from steering_core.quality import Quality, classify

if TYPE_CHECKING:
    from steering_core.measure.findings.findings import Findings
    from steering_core.measure.findings.stage_facts import StagePair

NAMES = ("earlier", "later")


def demand_unsteered(record: Draft, pair: "StagePair") -> None:
    """At coefficient 0, in both stages, less than half of the answers refuse and more than half are not garbled: else the
    curve says nothing about steering. Every point counts as many answers."""
    __tracebackhide__ = True
    for name, counts in zip(NAMES, pair.counts, strict=True):
        refused, coherent, total = counts[0].tolist()
        words = f"{name} stage unsteered: {refused} of {total} answers refuse, {coherent} are not garbled"
        assert_holds(record, refused * 2 < total < coherent * 2, words, f"{words}: no curve begins there")
        same = f"every point of the {name} stage counts {total} answers"
        assert_holds(record, set(counts[:, 2].tolist()) == {total}, same, f"{same}, but {counts[:, 2].tolist()}")


def demand_counts(record: Draft, findings: "Findings", pair: "StagePair") -> None:
    """The later stage's counts are those of its answers: along the unit difference of means at the asked layer, times the
    asked coefficient, at the blocks that the preset steers."""
    __tracebackhide__ = True
    strength = findings.experiment.settings.strength
    layer = findings.experiment.settings.layer
    asked = [(layer, each) for each in pair.coefficients] + [(each, strength) for each in pair.layers]
    for (layer, coefficient), row in zip(asked, pair.counts[1].tolist(), strict=True):
        classes = [classify(text) for text in _answers(findings, layer, coefficient)]
        expected = [classes.count(Quality.COHERENT), len(classes) - classes.count(Quality.GARBLED), len(classes)]
        words = f"layer {layer}, coefficient {coefficient:g}: {row} answers refuse, are not garbled, and all"
        assert_holds(record, row == expected, words, f"{words}, counted again {expected}")


def demand_ratios(record: Draft, findings: "Findings", pair: "StagePair") -> None:
    """Of the later stage: all that is added up to the last steered block, over the mean norm there of the evaluation
    prompts' last tokens."""
    __tracebackhide__ = True
    here, many = findings.experiment, len(findings.experiment.settings.blocks) > 1
    last = here.model.spec.layers - 1
    norms = norms_after(here, here.prompts.evaluation, range(last + 1))
    asked = [(here.settings.layer, each) for each in pair.coefficients]
    asked += [(each, here.settings.strength) for each in pair.layers]
    for (layer, coefficient), ratio in zip(asked, pair.stages[1].ratios, strict=True):
        expected = coefficient * (last + 1 - layer) / norms[last] if many else coefficient / norms[layer]
        words = f"layer {layer}, coefficient {coefficient:g}: perturbation ratio {ratio:.4g}"
        assert_holds(record, near(ratio, expected, CLOSE), words, f"{words}, expected {expected:.4g}")


def demand_random(record: Draft, pair: "StagePair") -> None:
    """Along a random direction of equal norm, at no coefficient do half of the answers refuse, in either stage: else the
    curves say nothing about the trait's direction. As many answers are counted."""
    __tracebackhide__ = True
    for name, stage in zip(NAMES, pair.stages, strict=True):
        for coefficient, (refused, _, total), own in zip(
            pair.coefficients, stage.random.tolist(), stage.counts.tolist(), strict=False
        ):
            words = f"{name} stage, random direction, coefficient {coefficient:g}: {refused} of {total} answers refuse"
            assert_holds(record, 2 * refused < total == own[2], words, f"{words}, of {own[2]} along its own direction")


def demand_pair(record: Draft, pair: "StagePair") -> None:
    """From the counts alone: half of the answers refuse from the coefficient of each stage on, and a cliff is a step that
    takes half of the coherent answers away."""
    __tracebackhide__ = True
    stages = zip(NAMES, pair.counts, (pair.resistance.earlier, pair.resistance.later), pair.cliffs, strict=True)
    for name, counts, coefficient, cliff in stages:
        curve = dict(zip(pair.coefficients, counts.tolist(), strict=False))
        steering = [each for each, (refused, _, total) in curve.items() if 2 * refused >= total]
        words = f"{name} stage steered from {coefficient} on"
        assert_holds(record, coefficient == min(steering, default=None), words, f"{words}, by its counts {steering}")
        falls = [
            (before, after)
            for (before, first), (after, second) in zip(curve.items(), [*curve.items()][1:], strict=False)
            if 2 * (first[1] - second[1]) >= first[2]
        ]
        told = f"{name} stage: cliff {cliff and (cliff.before, cliff.after)}"
        matches = cliff is None or (cliff.before, cliff.after) in falls
        assert_holds(record, matches, told, f"{told}, by its counts {falls}")


def _answers(findings: "Findings", layer: int, coefficient: float) -> list[str]:
    """Texts of the evaluation prompts' answers, by the reference."""
    from steering_core.compare import unit
    from steering_core.directions import DEFAULT_METHOD, extract_direction
    from steering_core.measure.findings.sources import TRAIT
    from steering_core.measure.findings.traits import read_traits
    from steering_core.measure.multilayer.answers import answers
    from steering_core.models.sites import Site
    from steering_core.tools.edits import Add

    here = findings.experiment
    rows = findings.extractions.rows(read_traits()[TRAIT]).layers[layer]
    vector = unit(extract_direction(DEFAULT_METHOD, rows.positive, rows.negative)).float()
    blocks = range(layer, layer + 1 if len(here.settings.blocks) == 1 else here.model.spec.layers)
    edits = [Add(Site("resid_post", block), vector, coefficient) for block in blocks]
    return here.model.text(answers(here, edits if coefficient else []))
