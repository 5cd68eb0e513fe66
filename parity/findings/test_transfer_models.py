"""Finding F5: a direction that was taken from one model, used on another: tuning stages, sizes, families."""

from typing import TYPE_CHECKING

import pytest

from parity.findings.transfer_demands import (
    demand_between,
    demand_controls,
    demand_limit,
    demand_own,
    demand_strength,
)
from parity.plugin.arguments import Draft
from steering_core.measure.findings.traits import count_prompts

if TYPE_CHECKING:
    from steering_core.measure.findings.findings import Findings
    from steering_core.measure.findings.sources import Source

pytestmark = pytest.mark.findings


@pytest.mark.clause("F5")
def test_transfer_models(source: "Source", findings: "Findings", record: Draft) -> None:
    """F5: what the source model's direction detects in the model's activations, beside what it controls in its answers."""
    from steering_core.measure.findings.transfer_facts import model_facts, statements_between, transfer_facts

    measured = findings.transfers.measure_source(source)
    own = findings.transfers.own_set
    record.note(prompt_sets=count_prompts({own.trait.name: own.trait.prompts, "evaluation": own.neutral}))
    record.note(**model_facts(findings.experiment, source), **transfer_facts(measured))
    if measured.cell.limit is None:
        demand_between(record, findings, measured, source)
        demand_controls(record, measured)
        demand_strength(record, findings, measured, own)
    else:
        demand_limit(record, findings, measured, source)
    if measured.cell.source == measured.cell.target:
        demand_own(record, measured)
    record.note(statements=statements_between(measured))
    record.agree(measured.cell.sentence)
