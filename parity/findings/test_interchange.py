"""Finding F3: activations of different tools are interchangeable."""

from typing import TYPE_CHECKING

import pytest

from parity.findings.site_demands import demand_same_predictions
from parity.plugin.arguments import Draft, Tool
from parity.plugin.assertions import not_offered
from steering_core.measure.findings.traits import Trait, count_prompts

if TYPE_CHECKING:
    from steering_core.measure.findings.findings import Findings

pytestmark = pytest.mark.findings


@pytest.mark.clause("F3")
def test_interchange(findings: "Findings", tools: tuple[Tool, Tool], record: Draft, trait: Trait) -> None:
    """F3: a probe trained on one tool's activations calls every held-out prompt the same from the other tool's."""
    from steering_core.measure.findings.interchange import PROBE, exchange

    readings, (first, second) = findings.readings, tools
    offered = {*readings.offered(first)} & {*readings.offered(second)}
    sites = sorted(site for site in offered if site.stream == "resid_post")
    if not sites:
        not_offered(record, f"{first.name} and {second.name} do not both read resid_post")
    rows = {"first": readings.through(first, trait), "second": readings.through(second, trait)}
    predictions = exchange(rows, sites)
    names = {"first": first.name, "second": second.name}
    table = [
        {
            "site": str(each.site),
            "trained_on": names[each.trained_on],
            "own_accuracy": each.accuracy(each.own),
            "other_accuracy": each.accuracy(each.other),
            "differing": len(each.differing),
        }
        for each in predictions
    ]
    record.note(prompt_sets=count_prompts({trait.name: trait.prompts}))
    record.note(trait=trait.name, probe=PROBE, table=table)
    held_out = (*trait.positive.held_out, *trait.negative.held_out)
    demand_same_predictions(record, predictions, held_out)
    count = len(held_out) * len(predictions)
    of_both = f"on activations from {first.name} and from {second.name}"
    record.agree(f"{trait.name}: {PROBE} predicts the same {of_both}: {count} predictions at {len(sites)} blocks")
