"""Finding F2: where in a block a trait can be read: the residual stream, what attention and MLP add, the KV cache."""

from typing import TYPE_CHECKING

import pytest

from parity.findings.site_demands import demand_own_numbers, demand_residual
from parity.plugin.arguments import Draft, Tool
from parity.plugin.assertions import not_offered
from steering_core.measure.findings.traits import Trait, count_prompts

if TYPE_CHECKING:
    from steering_core.measure.findings.findings import Findings

pytestmark = pytest.mark.findings


@pytest.mark.clause("F2")
def test_sites(findings: "Findings", tool: Tool, record: Draft, trait: Trait) -> None:
    """F2: detection AUC at every site that the tool reads, on held-out prompts, and the streams beside each other."""
    from steering_core.measure.findings.sites import detect, site_facts
    from steering_core.measure.findings.tool_rows import STREAMS

    readings = findings.readings
    if not readings.offered(tool):
        not_offered(record, f"{tool.name} reads none of {', '.join(STREAMS)}")
    table = detect(readings.through(tool, trait))
    demand_own_numbers(record, table, detect(readings.own(trait, table.detections)))
    demand_residual(record, table)
    missing = [stream for stream in STREAMS if stream not in table.streams]
    record.note(prompt_sets=count_prompts({trait.name: trait.prompts}))
    record.note(trait=trait.name, not_offered=missing, **site_facts(table))
    best = max(table.detections.values(), key=lambda each: each.auc.value)
    value, low, high = best.auc
    rest = f"; not offered: {', '.join(missing)}" if missing else ""
    record.agree(f"{trait.name}: highest AUC {value:.3f} [{low:.3f}, {high:.3f}] at {best.site}{rest}")
