"""Finding F8: two models at equal perturbation ratio, and at equal divergence from their unsteered answers."""

from typing import TYPE_CHECKING

import pytest

from parity.findings.layer_demands import (
    demand_divergence,
    demand_ratio,
    demand_search,
    demand_shares,
    demand_steered,
)
from parity.findings.strength_demands import demand_equal, demand_gap, demand_no_effect, demand_other
from parity.plugin.arguments import Draft
from steering_core.measure.findings.traits import count_prompts

if TYPE_CHECKING:
    from steering_core.measure.findings.findings import Findings
    from steering_core.measure.findings.sources import Beside
    from steering_core.measure.multilayer.between_models import EqualStrength
    from steering_core.measure.multilayer.setting import Combination, Scale

pytestmark = pytest.mark.findings


@pytest.mark.clause("F8")
def test_equal_strength(beside: "Beside", findings: "Findings", record: Draft) -> None:
    """F8: how many prompts the same strength steers in two models, with a random direction of equal norm in each."""
    from steering_core.directions import DEFAULT_METHOD
    from steering_core.errors import EmptyMeasurement
    from steering_core.measure.multilayer.between_facts import Comparison

    equal, here = findings.equal_strength, findings.experiment
    names = here.model.spec.key, beside.key
    comparison = Comparison(*names)
    for place, other in equal.read(beside.rows).items():
        (own, reason), who = equal.own(*place), "at equal {}, {}".format(*place)
        if own:
            demand_setting(record, equal, place)
        for strength, name in ((own, names[0]), (other, names[1])):
            if strength:
                demand_equal(record, place[0], strength, f"{name}, {who}")
                demand_no_effect(record, strength, f"{name}, {who}")
        both = equal.gap(own, other) if own and other else None
        if own and other and both:
            demand_other(record, own, other, names, beside.weights == here.weights)
            demand_gap(record, both, own, other, who)
        comparison.add(place, own, other, both, reason)
    prompts = equal.steering.experiment.prompts.evaluation
    record.note(prompt_sets=count_prompts({"evaluation": prompts}), **comparison.facts())
    if not comparison.of(names[0]):
        raise EmptyMeasurement("no-setting", comparison.missing[0]["reason"], "a direction that can be added")
    demand_shares(record, equal.steering, DEFAULT_METHOD)
    record.agree(comparison.sentence)


def demand_setting(record: Draft, equal: "EqualStrength", place: "tuple[Scale, Combination]") -> None:
    """One row of the check's own model is what F4 demands of it."""
    __tracebackhide__ = True
    setting = equal.setting(*place)
    demand_ratio(record, equal.steering, setting, place[0])
    demand_steered(record, equal.steering, setting)
    demand_divergence(record, equal.steering, setting, place[0])
    demand_search(record, equal.steering, setting, place[0])
