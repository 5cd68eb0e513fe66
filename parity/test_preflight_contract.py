"""Preflight P0: what comes back from a tool is what docs/tools.md promises."""

from collections.abc import Iterator

import pytest

from parity.plugin.arguments import Draft, Experiment, Tool
from parity.plugin.assertions import assert_holds

NEW_TOKENS = 32
"""Enough for some rows of the tiny models to end before others."""
LISTED = 20
"""Breaches that a record lists; the rest is counted."""


@pytest.mark.clause("P0")
@pytest.mark.needs("action")
@pytest.mark.parametrize("action", ["read", "generate"])
def test_contract(experiment: Experiment, tool: Tool, record: Draft, action: str) -> None:
    """P0: values of the documented type, site, shape, dtype, device and memory; ids padded after each row's end."""
    answers = list(reads(experiment, tool) if action == "read" else generations(experiment, tool))
    breaches = [breach for answer in answers for breach in answer]
    record.note(answers=len(answers), breaches=len(breaches), listed=list(dict.fromkeys(breaches))[:LISTED])
    more = f" (and {len(breaches) - 1} more breaches)" if len(breaches) > 1 else ""
    kept = f"{len(answers)} answers of {action} are as documented"
    assert_holds(record, not breaches, kept, f"{breaches[0]}{more}" if breaches else "")


def reads(experiment: Experiment, tool: Tool) -> Iterator[list[str]]:
    """The breaches of a read of one site, of several, and of one prompt alone."""
    from steering_core.tools.contract import Storages, checked_read
    from steering_core.tools.offers import Need, why_not

    model, batch, storages = experiment.model, experiment.extraction, Storages()
    several = [site for site in experiment.preflight_sites if not why_not(tool, model.spec, Need(read=(site,)))]
    alone = experiment.batch(experiment.prompts.extraction[:1])
    held = []  # a value that comes back twice is shared only as long as its first owner has it
    for prompts, sites in ((batch, [experiment.site]), (batch, several), (alone, [experiment.site])):
        held.append(tool.read(model, prompts, sites))
        yield checked_read(held[-1], model, prompts, sites, storages)[1]


def generations(experiment: Experiment, tool: Tool) -> Iterator[list[str]]:
    """The breaches of a steered and of an unsteered generation, in which rows end at different steps."""
    from steering_core.tools.contract import checked_ids

    model, batch = experiment.model, experiment.batch(experiment.prompts.evaluation[:10])
    tokens = min(experiment.settings.max_new_tokens, NEW_TOKENS)
    for edits in (experiment.edits(experiment.true_direction()), []):
        yield checked_ids(tool.generate(model, batch, edits, tokens), model, batch, tokens)[1]
