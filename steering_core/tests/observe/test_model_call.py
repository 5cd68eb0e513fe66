"""What a forward call of the model says about its tokens and their positions."""

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache

from steering_core.observe.forward_trace import trace_forward
from steering_core.observe.model_call import cached_tokens, call_of_model, key_mask
from steering_core.tests.random_models import prompts, random_model

pytestmark = pytest.mark.usefixtures("one_thread")
IDS = torch.tensor([[7, 8, 9]])


def readings(**given: Any) -> list[list[list[int]]]:
    return [positions.tolist() for positions in call_of_model({"input_ids": IDS, **given}).readings()]


def test_positions_are_read_from_the_mask_the_position_ids_and_the_cache() -> None:
    cache = DynamicCache()
    cache.update(torch.zeros(1, 2, 2, 4), torch.zeros(1, 2, 2, 4), 0)
    mask = torch.tensor([[0, 1, 1, 1, 1]])

    assert readings(attention_mask=mask, past_key_values=cache) == [[[1, 2, 3]], [[2, 3, 4]]]
    assert readings(position_ids=torch.tensor([[4, 5, 6]])) == [[[4, 5, 6]], [[0, 1, 2]]]
    assert readings(attention_mask=mask) == [[[0, 1, 2]]], "a mask of another length counts no tokens"


def test_a_mask_narrower_than_the_tokens_marks_no_padding() -> None:
    assert call_of_model({"input_ids": IDS, "attention_mask": torch.tensor([[0, 1]])}).real.tolist() == [[True] * 3]


def test_packed_sequences_end_where_the_cumulative_lengths_say() -> None:
    """A decode step of two sequences: the columns of its mask are those of the shared cache, and a third fills the row up."""
    mask = torch.tensor([[[[0.0, 0.0, -1e9, 0.0], [-1e9, -1e9, 0.0, -1e9], [-1e9, -1e9, -1e9, -1e9]]]])
    packed = {"input_ids": IDS, "attention_mask": mask, "position_ids": torch.tensor([[5, 6, 0]])}

    call = call_of_model({**packed, "cu_seq_lens_q": torch.tensor([0, 1, 2], dtype=torch.int32)})

    assert call.real.tolist() == [[True, True, False]]
    assert call.starts >= {0, 1}
    assert [5, 6, 0] in [positions[0].tolist() for positions in call.readings()]


def test_tokens_that_are_overwritten_later_stay_recorded() -> None:
    given = IDS.clone()
    call = call_of_model({"input_ids": given})

    given.zero_()
    assert call.ids is not None
    assert torch.equal(call.ids, IDS)


def test_the_length_of_a_cache() -> None:
    keys = torch.zeros(1, 2, 5, 4)

    assert [cached_tokens(cache) for cache in (None, (), ((keys, keys),), DynamicCache())] == [0, 0, 5, 0]


CAUSAL = torch.ones(4, 4).tril().bool()
PADDED = CAUSAL & torch.tensor([False, True, True, True])
OPENED = PADDED | torch.tensor([[True], [False], [False], [False]])
"""Kernels that cannot attend to nothing let such a row of padding attend to everything."""
PACKED = torch.block_diag(torch.ones(2, 2).tril(), torch.ones(2, 2).tril()).bool()


@pytest.mark.parametrize(
    ("mask", "real"),
    [
        (CAUSAL, [True] * 4),
        (PADDED, [False, True, True, True]),
        (OPENED, [False, True, True, True]),
        (PACKED, [True] * 4),
        (torch.where(PADDED, 0.0, -1e9), [False, True, True, True]),
    ],
    ids=["causal", "padded", "opened", "packed", "additive"],
)
def test_padding_is_read_from_a_mask_of_four_dimensions(mask: Tensor, real: list[bool]) -> None:
    for given in (mask[None, None], {"full_attention": mask[None, None]}):
        read = key_mask(given, 4)
        assert read is not None
        assert read.tolist() == [real]


def test_other_masks_say_nothing() -> None:
    assert key_mask(None, 4) is None
    assert key_mask(torch.ones(4), 4) is None
    assert key_mask({}, 4) is None


def test_a_call_is_recorded_beneath_the_model() -> None:
    model, batch = random_model("qwen2"), prompts(3)

    with trace_forward(model) as trace:
        model.module.generate(batch.ids, attention_mask=batch.mask, generation_config=model.decoding(2))

    prompt, decode = trace.calls
    assert prompt.ids is not None
    assert torch.equal(prompt.ids, batch.ids)
    assert torch.equal(prompt.real, batch.mask.bool())
    assert (prompt.past, decode.past, decode.shape) == (0, 9, (3, 1))
    assert next(iter(decode.readings())).tolist() == [[7], [4], [9]]


def test_blocks_run_without_the_model_are_a_call_of_their_own() -> None:
    model = random_model("qwen2")
    hidden = model.module.get_input_embeddings()(IDS)
    positions = torch.arange(3)[None]
    rotary = model.module.model.rotary_emb(hidden, positions)

    with trace_forward(model) as trace, model.inference():
        model.blocks[0](hidden, attention_mask=None, position_ids=positions, position_embeddings=rotary)

    assert (trace.calls[0].ids, trace.calls[0].shape) == (None, (1, 3))
