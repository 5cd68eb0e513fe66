"""Finding F7: two tuning stages of one model beside each other: the coefficient that steers, the cliff, the layers."""

from typing import TYPE_CHECKING

import pytest

from parity.findings.stage_demands import demand_counts, demand_pair, demand_random, demand_ratios, demand_unsteered
from parity.plugin.arguments import Draft
from steering_core.measure.findings.traits import count_prompts

if TYPE_CHECKING:
    from torch import Tensor

    from steering_core.measure.findings.findings import Findings

pytestmark = pytest.mark.findings


@pytest.mark.clause("F7")
def test_tuning_stages(earlier: "tuple[str, Tensor]", findings: "Findings", record: Draft) -> None:
    """F7: how much more a later stage takes to be steered, where its answers collapse, and which layers stay the best."""
    from steering_core.measure.findings.stage_facts import StagePair
    from steering_core.measure.findings.tuning_stages import Stage, asked_of

    key, before = earlier
    coefficients, layers = asked = asked_of(findings.experiment.model.spec, findings.experiment.settings)
    kept = before, findings.stage_curves.measure(*asked)
    first, second = (Stage.unpack(each, len(coefficients)) for each in kept)
    pair = StagePair(key, findings.experiment.model.spec.key, coefficients, layers, (first, second))
    demand_unsteered(record, pair)
    demand_counts(record, findings, pair)
    demand_ratios(record, findings, pair)
    demand_random(record, pair)
    demand_pair(record, pair)
    own = findings.transfers.own_set
    record.note(prompt_sets=count_prompts({own.trait.name: own.trait.prompts, "evaluation": own.neutral}))
    record.note(**pair.facts())
    record.agree(pair.sentence)
