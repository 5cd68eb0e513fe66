"""Preflight P0: what comes back from a tool is what docs/tools.md promises."""

from typing import Any

import pytest

from parity.plugin.arguments import Draft, Experiment, Tool
from parity.plugin.assertions import assert_holds

NEW_TOKENS = 32
"""Enough for some rows of the tiny models to end before others."""
ROWS = 9
LISTED = 20
"""Breaches that a record lists; the rest is counted."""


@pytest.mark.clause("P0")
@pytest.mark.needs("action")
@pytest.mark.parametrize("action", ["read", "generate"])
def test_contract(experiment: Experiment, tool: Tool, record: Draft, action: str) -> None:
    """P0: values of the documented type, site, shape, dtype, device and memory; ids padded after each row's end."""
    calls = reads(experiment, tool) if action == "read" else generations(experiment)
    breaches = experiment.perform(tool, "contract", calls=calls)
    record.note(answers=len(calls), breaches=len(breaches), listed=list(dict.fromkeys(breaches))[:LISTED])
    more = f" (and {len(breaches) - 1} more breaches)" if len(breaches) > 1 else ""
    kept = f"{len(calls)} answers of {action} are as documented"
    assert_holds(record, not breaches, kept, f"{breaches[0]}{more}" if breaches else "")


def reads(experiment: Experiment, tool: Tool) -> list[dict[str, Any]]:
    """A read of one site, of several, and of one prompt alone."""
    from steering_core.tools.offers import Need, why_not

    spec, batch = experiment.model.spec, experiment.extraction
    several = [site for site in experiment.preflight_sites if not why_not(tool, spec, Need(read=(site,)))]
    alone = experiment.batch(experiment.prompts.extraction[:1])
    asked = ((batch, [experiment.site]), (batch, several), (alone, [experiment.site]))
    return [{"do": "read", "batch": prompts, "sites": sites} for prompts, sites in asked]


def generations(experiment: Experiment) -> list[dict[str, Any]]:
    """A steered and an unsteered generation, in which rows end at different steps."""
    batch = experiment.batch(experiment.prompts.evaluation[:ROWS])
    call = {"do": "generate", "batch": batch, "max_new_tokens": min(experiment.settings.max_new_tokens, NEW_TOKENS)}
    return [{**call, "edits": edits} for edits in (experiment.edits(experiment.true_direction()), [])]
