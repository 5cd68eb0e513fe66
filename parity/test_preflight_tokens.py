"""Preflight P4: the last real token, never BOS, never padding; the ids are those of the chat template."""

from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING

import pytest

from parity.plugin.arguments import Draft, Experiment, Side, Tool
from parity.plugin.assertions import assert_equal, assert_within_floor, not_offered
from parity.plugin.packed_rows import computed_alone, computed_untouched, in_rows, localize_packed, packed_inputs
from parity.plugin.recomputed import last_real_tokens, real_ids, rendered_ids, template_ids
from steering_core.compare import compare

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
@pytest.mark.needs("read", "packed")
@pytest.mark.parametrize("side", ["packed"])
def test_packed_prompts(experiment: Experiment, tool: Tool, record: Draft, side: Side) -> None:
    """P4: of prompts that follow one another in one row, without padding, the tool returns at each prompt's own tokens what
    the model computes for that prompt alone."""
    padded, prompts = experiment.some, experiment.prompts.extraction[: len(experiment.some.ids)]
    packed, rows = experiment.batch(prompts, side), real_ids(padded.ids, padded.mask)
    given = {name: value if value is False else value.tolist() for name, value in packed.inputs().items()}
    assert_equal(record, "what a forward of the packed prompts is given", given, packed_inputs(rows))
    last = [end - 1 for end in accumulate(map(len, rows))]
    assert_equal(record, "columns of the last tokens", packed.last.tolist(), last)
    alone, floor = computed_alone(experiment, prompts), cache(lambda: experiment.floor(padded, [experiment.site], tool))
    untouched = computed_untouched(experiment, tool, packed)
    gap = compare(untouched, alone)
    if gap.max_abs and not gap.within(floor()):
        mixes = f"{experiment.model.spec.key} mixes packed prompts under these libraries, without any tool"
        not_offered(record, f"{mixes}: packed against alone, max|d| = {gap.max_abs:.3g} > {floor():.3g}")
    returned = experiment.read(tool, packed)[experiment.site]
    assert_equal(record, "shape", list(returned.shape), [1, *alone.shape])
    for what, values, expected in (
        ("every token of packed prompts", in_rows(returned[0], padded), in_rows(alone, padded)),
        ("last token of each packed prompt", packed.at_last(returned), alone[last]),
    ):
        assert_within_floor(
            record,
            what,
            values,
            expected,
            floor=floor,
            localize=lambda: {"": localize_packed(experiment, padded, returned[0], untouched, floor())},
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
