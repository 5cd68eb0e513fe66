"""Preflight P4: the last real token, never BOS, never padding; the ids are those of the chat template."""

import pytest

from parity.plugin.arguments import Draft, Experiment, Side, Tool
from parity.plugin.assertions import assert_equal, assert_same


@pytest.mark.clause("P4")
@pytest.mark.parametrize("side", ["left", "right"])
def test_token_position(experiment: Experiment, tool: Tool, record: Draft, side: Side) -> None:
    """P4: in a padded batch of prompts of unequal length, the tool's last-token rows are the last real tokens."""
    batch = experiment.batch(experiment.prompts.extraction, side)
    returned = experiment.read(tool, batch)[experiment.site]
    received = experiment.truth(batch)[experiment.settings.layer + 1]

    def explain() -> str:
        return experiment.localized(batch, experiment.site, returned)

    assert_equal(record, "padding present", bool((batch.mask == 0).any()), True)
    assert_equal(record, "shape", list(returned.shape), list(received.shape), explain=explain)
    what = f"last real token, {side} padding"
    assert_same(record, what, batch.at_last(returned), batch.at_last(received), explain=explain)


@pytest.mark.clause("P4")
def test_token_ids(experiment: Experiment, record: Draft) -> None:
    """P4: ids equal the rendered template tokenized once: no double BOS, no truncation, no unknown token."""
    tokenizer, model = experiment.model.tokenizer, experiment.model
    prompts = (*experiment.prompts.extraction, *experiment.prompts.evaluation)
    rows = [model.chat_ids(prompt) for prompt in prompts]
    assert_equal(record, "ids of the template", rows == [model.rendered_ids(prompt) for prompt in prompts], True)
    double_bos = [tokenizer.bos_token_id] * 2 if tokenizer.bos_token_id is not None else None
    assert_equal(record, "double BOS", any(row[:2] == double_bos for row in rows), False)
    unknown = tokenizer.unk_token_id
    assert_equal(record, "unknown tokens", unknown is not None and any(unknown in row for row in rows), False)
    complete = [prompt in tokenizer.decode(row) for prompt, row in zip(prompts, rows, strict=True)]
    assert_equal(record, "prompts that survive whole", sum(complete), len(prompts))
