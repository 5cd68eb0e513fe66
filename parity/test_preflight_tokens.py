"""Preflight P4: the last real token, never BOS, never padding; the ids are those of the chat template."""

from typing import TYPE_CHECKING

import pytest

from parity.plugin.arguments import Draft, Experiment, Side, Tool
from parity.plugin.assertions import assert_equal, assert_within_floor
from parity.plugin.recomputed import last_real_tokens, real_ids, rendered_ids, template_ids

if TYPE_CHECKING:
    from steering_core.localize import Localization


@pytest.mark.clause("P4")
@pytest.mark.needs("read")
@pytest.mark.parametrize("side", ["left", "right"])
def test_token_position(experiment: Experiment, tool: Tool, record: Draft, side: Side) -> None:
    """P4: in a padded batch of prompts of unequal length, the tool's last-token rows are the last real tokens."""
    batch = experiment.batch(experiment.prompts.extraction, side)
    returned = experiment.read(tool, batch)[experiment.site]
    received = experiment.truth(batch)[experiment.settings.layer + 1]
    last = last_real_tokens(batch.mask)

    def localize() -> "dict[str, Localization]":
        return {"": experiment.localized(batch, experiment.site, returned)}

    def explain() -> str:
        return localize()[""].sentence

    assert_equal(record, "padding present", bool((batch.mask == 0).any()), True)
    assert_equal(record, f"padding on the {side} only", bool(batch.mask[:, 0 if side == "right" else -1].all()), True)
    assert_equal(record, "columns of the last real tokens", batch.last.tolist(), last)
    assert_equal(record, "shape", list(returned.shape), list(received.shape), explain=explain)
    assert_within_floor(
        record,
        f"last real token, {side} padding",
        batch.at_last(returned),
        received[range(len(last)), last],
        floor=lambda: experiment.floor(batch, [experiment.site], tool),
        localize=localize,
        own=True,
    )


@pytest.mark.clause("P4")
def test_token_ids(experiment: Experiment, record: Draft) -> None:
    """P4: ids equal the chat template's, tokenized at once or as text: no double BOS, no truncation, no unknown token."""
    tokenizer = experiment.model.tokenizer
    groups = (experiment.prompts.extraction, experiment.prompts.evaluation)
    batches = [experiment.batch(group) for group in groups]
    prompts, rows = sum(groups, ()), sum((real_ids(batch.ids, batch.mask) for batch in batches), [])
    assert_equal(record, "ids of the template", rows == template_ids(tokenizer, prompts), True)
    rendered = rendered_ids(tokenizer, prompts)
    assert_equal(record, "ids of the rendered template", rows == rendered, True)
    double_bos = [tokenizer.bos_token_id] * 2 if tokenizer.bos_token_id is not None else None
    assert_equal(record, "double BOS", any(row[:2] == double_bos for row in rows), False)
    unknown = tokenizer.unk_token_id
    assert_equal(record, "unknown tokens", unknown is not None and any(unknown in row for row in rows), False)
    complete = [prompt in tokenizer.decode(row) for prompt, row in zip(prompts, rows, strict=True)]
    assert_equal(record, "prompts that survive whole", sum(complete), len(prompts))
