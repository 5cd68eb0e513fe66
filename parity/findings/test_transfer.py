"""Finding F5: a direction that was taken from one topic, language or elicitation, used on another."""

from typing import TYPE_CHECKING

import pytest

from parity.findings.transfer_demands import demand_controls, demand_own, demand_source, demand_strength
from parity.plugin.arguments import Draft
from steering_core.measure.findings.traits import count_prompts
from steering_core.measure.findings.transfer_sets import read_matrices

if TYPE_CHECKING:
    from steering_core.measure.findings.findings import Findings

pytestmark = pytest.mark.findings


@pytest.mark.clause("F5")
def test_transfer(findings: "Findings", record: Draft, transfer: str) -> None:
    """F5: what the source's direction detects among the target's prompts, beside what it controls in its answers."""
    from steering_core.measure.findings.transfer_facts import statements_of, transfer_facts

    name, source, target = transfer.split(":")
    matrix = read_matrices()[name]
    measured = findings.transfers.measure(matrix, source, target)
    demand_source(record, findings, measured, (matrix.sets[source], matrix.sets[target]))
    demand_controls(record, measured)
    demand_strength(record, findings, measured, matrix.sets[target])
    if source == target:
        demand_own(record, measured)
    used = {each.trait.name: each.prompts for each in (matrix.sets[source], matrix.sets[target])}
    record.note(prompt_sets=count_prompts(used))
    record.note(matrix=name, about=matrix.about, **transfer_facts(measured))
    record.note(statements=statements_of(name, measured))
    record.agree(measured.cell.sentence)
