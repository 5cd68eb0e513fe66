"""Finding F6: how far every token of a prompt and its answer lies along a direction, steered and not."""

from typing import TYPE_CHECKING

import pytest

from parity.findings.dynamics_demands import demand_complete, demand_prefixes, demand_shift
from parity.plugin.arguments import Draft, Halves, Tool
from parity.plugin.assertions import not_offered, state_half
from steering_core.measure.findings.traits import count_prompts

if TYPE_CHECKING:
    from steering_core.measure.findings.findings import Findings

pytestmark = pytest.mark.findings


@pytest.mark.clause("F6")
def test_dynamics(findings: "Findings", tool: Tool, halves: Halves, record: Draft) -> None:
    """F6: each token's projection, from the generation itself or as a tool reads it, is that of a forward for its prefix."""
    if not halves:
        not_offered(record, f"{tool.name} offers neither to read the tested block nor to steer it")
    dynamics, here = findings.dynamics, findings.experiment.prompts
    plain, steered = dynamics.plain, dynamics.steered
    record.note(prompt_sets=count_prompts({"premise": here.to_refuse()[:1], "evaluation": here.evaluation[:1]}))
    record.note(layers=list(dynamics.layers), texts=dynamics.texts())
    for course, edits, who in ((plain, [], "unsteered"), (steered, dynamics.steering, "steered")):
        demand_complete(record, course, who)
        allowed = dynamics.allowed(course, None, bool(edits))
        demand_prefixes(record, course, dynamics.expected(course, edits), allowed, f"the reference, {who}")
    demand_shift(record, dynamics, plain, steered)
    if "read" in halves:
        layers = dynamics.readable(tool)
        for course in (plain, steered):
            read = dynamics.read(tool, course, layers)
            demand_complete(record, read, f"{tool.name}, reading")
            allowed = dynamics.allowed(course, tool, False)
            demand_prefixes(record, read, dynamics.expected(course, []), allowed, f"{tool.name}, reading")
    if "generate" in halves:
        for edits in ([], dynamics.steering):
            own, who = dynamics.generated(tool, edits), f"{tool.name}, {'steering' if edits else 'generating'}"
            demand_complete(record, own, who)
            demand_prefixes(record, own, dynamics.expected(own, edits), dynamics.allowed(own, tool, bool(edits)), who)
    tokens = sum(map(len, (*plain.rows, *steered.rows)))
    gap = f"at most {record.measured['max_gap']:.3g} off" if record.measured["max_gap"] else "exactly"
    record.agree(f"{tokens} tokens at {len(dynamics.layers)} layers have the projection of their prefix, {gap}")
    state_half(record, halves)
