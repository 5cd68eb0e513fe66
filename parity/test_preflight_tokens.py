"""Preflight P4: the last real token, never BOS, never padding; the ids are the chat template's."""

import pytest

from parity.asserts import assert_equal, assert_same


@pytest.mark.clause("P4")
@pytest.mark.parametrize("side", ["left", "right"])
def test_token_position(cycle, tool, cell, side):
    """P4: on a padded batch of unequal prompts, the tool's last-token rows are those of the last real tokens."""
    batch = cycle.batch(cycle.prompts.extraction, side)
    returned = cycle.read(tool, batch)[cycle.site]
    received = cycle.truth(batch)[cycle.settings.layer + 1]

    def explain():
        return cycle.localised(batch, cycle.site, returned)

    assert_equal(cell, "padding present", bool((batch.mask == 0).any()), True)
    assert_equal(cell, "shape", list(returned.shape), list(received.shape), explain=explain)
    what = f"last real token, {side} padding"
    assert_same(cell, what, batch.at_last(returned), batch.at_last(received), explain=explain)


@pytest.mark.clause("P4")
def test_token_ids(cycle, cell):
    """P4: ids equal the rendered template read once: no double BOS, no truncation, no unknown token."""
    tokenizer = cycle.model.tokenizer
    prompts = (*cycle.prompts.extraction, *cycle.prompts.evaluation)
    ours = [cycle.model.chat_ids(prompt) for prompt in prompts]
    assert_equal(cell, "ids of the template", ours == [cycle.model.rendered_ids(prompt) for prompt in prompts], True)
    starts = {tuple(row[:2]) == (tokenizer.bos_token_id,) * 2 for row in ours if tokenizer.bos_token_id is not None}
    assert_equal(cell, "double BOS", True in starts, False)
    unknown = tokenizer.unk_token_id
    assert_equal(cell, "unknown tokens", unknown is not None and any(unknown in row for row in ours), False)
    kept = [prompt for prompt, row in zip(prompts, ours, strict=True) if prompt in tokenizer.decode(row)]
    assert_equal(cell, "prompts that survive whole", len(kept), len(prompts))
