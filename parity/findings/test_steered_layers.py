"""Finding F4: what steering at several layers does, compared at equal strength in four senses."""

from typing import TYPE_CHECKING

import pytest

from parity.findings.layer_demands import (
    demand_control,
    demand_divergence,
    demand_ratio,
    demand_search,
    demand_shares,
    demand_steered,
)
from parity.plugin.arguments import Draft
from steering_core.measure.findings.traits import count_prompts

if TYPE_CHECKING:
    from steering_core.measure.findings.findings import Findings
    from steering_core.measure.multilayer.setting import Scale

pytestmark = pytest.mark.findings


@pytest.mark.clause("F4")
@pytest.mark.parametrize("scale", ["coefficient", "ratio", "divergence", "coherence"])
def test_steered_layers(findings: "Findings", record: Draft, scale: "Scale") -> None:
    """F4: single, uniform, weighted and orthogonal steering at equal coefficient, ratio or divergence, or each at its
    strongest coherent setting; beside each row a random direction of equal norm."""
    from steering_core.errors import EmptyMeasurement

    layer_steering = findings.layer_steering
    settings, missing = layer_steering.table(scale)
    record.note(prompt_sets=count_prompts({"evaluation": layer_steering.experiment.prompts.evaluation}))
    record.note(**layer_steering.facts(scale, settings, missing))
    if not settings:
        raise EmptyMeasurement("no-setting", missing[0]["reason"], "a direction that can be added")
    demand_shares(record, layer_steering, settings[0].method)
    for setting in settings:
        demand_ratio(record, layer_steering, setting, scale)
        demand_steered(record, layer_steering, setting)
        demand_divergence(record, layer_steering, setting, scale)
        demand_search(record, layer_steering, setting, scale)
        demand_control(record, layer_steering, setting)
    record.agree(layer_steering.sentence(scale, settings))
