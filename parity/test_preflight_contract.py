"""Preflight P0: what comes back from a tool is what docs/tools.md promises."""

from typing import Any

import pytest

from parity.plugin.arguments import Draft, Experiment, SteeringMeasurements, Tool
from parity.plugin.assertions import assert_holds

NEW_TOKENS = 8
"""Few, because end tokens are chosen so that rows end among them."""
ROWS = 9
LISTED = 20
"""Breaches that a record lists; the rest is counted."""


@pytest.mark.clause("P0")
@pytest.mark.needs("action")
@pytest.mark.parametrize("action", ["read", "generate"])
def test_contract(
    experiment: Experiment, steering: SteeringMeasurements, tool: Tool, record: Draft, action: str
) -> None:
    """P0: values of the documented type, site, shape, dtype, device and memory; ids padded after each row's end."""
    calls = reads(experiment, tool) if action == "read" else generations(experiment, steering, record)
    breaches = experiment.perform(tool, "contract", calls=calls)
    record.note(answers=len(calls), breaches=len(breaches), listed=list(dict.fromkeys(breaches))[:LISTED])
    more = f" (and {len(breaches) - 1} more breaches)" if len(breaches) > 1 else ""
    alike = record.measured.get("unpadded", [])
    limits = f"; rows of the {' and '.join(alike)} answer all end at the same step, so none is padded" if alike else ""
    kept = f"{len(calls)} answers of {action} are as documented{limits}"
    assert_holds(record, not breaches, kept, f"{breaches[0]}{more}" if breaches else "")


def reads(experiment: Experiment, tool: Tool) -> list[dict[str, Any]]:
    """A read of one site, of several, and of one prompt alone."""
    from steering_core.tools.offers import Need, why_not

    spec, batch = experiment.model.spec, experiment.extraction
    several = [site for site in experiment.preflight_sites if not why_not(tool, spec, Need(read=(site,)))]
    alone = experiment.batch(experiment.prompts.extraction[:1])
    asked = ((batch, [experiment.site]), (batch, several), (alone, [experiment.site]))
    return [{"do": "read", "batch": prompts, "sites": sites} for prompts, sites in asked]


def generations(experiment: Experiment, steering: SteeringMeasurements, record: Draft) -> list[dict[str, Any]]:
    """A steered and an unsteered generation, each with end tokens that end the reference's rows at different steps."""
    from steering_core.measure.early_ends import ending_early, weaker

    batch = experiment.batch(experiment.prompts.evaluation[:ROWS])
    new = min(experiment.settings.max_new_tokens, NEW_TOKENS)
    asked = {"batch": batch, "max_new_tokens": new}
    tried = {"steered": weaker(experiment), "unsteered": [[]]}
    found = {name: ending_early(experiment, steering.draws, batch, edits, new) for name, edits in tried.items()}
    record.note(end_steps={name: list(each.steps) for name, each in found.items()})
    record.note(unpadded=[name for name, each in found.items() if not each.differ])
    return [
        {
            **{"do": "in_program", "defaults": {"eos_token_id": list(each.tokens)}, "inner": "generate"},
            "arguments": {**asked, "edits": list(each.edits)},
        }
        for each in found.values()
    ]
