"""Preflight P4: the last real token, never BOS, never padding; the ids are the chat template's."""

import pytest

from parity.plugin.assertions import assert_equal, assert_same


@pytest.mark.clause("P4")
@pytest.mark.parametrize("side", ["left", "right"])
def test_token_position(experiment, tool, record, side):
    """P4: on a padded batch of unequal prompts, the tool's last-token rows are those of the last real tokens."""
    batch = experiment.batch(experiment.prompts.extraction, side)
    returned = experiment.read(tool, batch)[experiment.site]
    received = experiment.truth(batch)[experiment.settings.layer + 1]

    def explain():
        return experiment.localized(batch, experiment.site, returned)

    assert_equal(record, "padding present", bool((batch.mask == 0).any()), True)
    assert_equal(record, "shape", list(returned.shape), list(received.shape), explain=explain)
    what = f"last real token, {side} padding"
    assert_same(record, what, batch.at_last(returned), batch.at_last(received), explain=explain)


@pytest.mark.clause("P4")
def test_token_ids(experiment, record):
    """P4: ids equal the rendered template read once: no double BOS, no truncation, no unknown token."""
    tokenizer = experiment.model.tokenizer
    prompts = (*experiment.prompts.extraction, *experiment.prompts.evaluation)
    ours = [experiment.model.chat_ids(prompt) for prompt in prompts]
    assert_equal(
        record, "ids of the template", ours == [experiment.model.rendered_ids(prompt) for prompt in prompts], True
    )
    starts = {tuple(row[:2]) == (tokenizer.bos_token_id,) * 2 for row in ours if tokenizer.bos_token_id is not None}
    assert_equal(record, "double BOS", True in starts, False)
    unknown = tokenizer.unk_token_id
    assert_equal(record, "unknown tokens", unknown is not None and any(unknown in row for row in ours), False)
    kept = [prompt for prompt, row in zip(prompts, ours, strict=True) if prompt in tokenizer.decode(row)]
    assert_equal(record, "prompts that survive whole", len(kept), len(prompts))
