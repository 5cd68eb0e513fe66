"""A planted vector is in every tensor from which a block's output can be read, in the rows of its prompts alone."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor

from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch, pad
from steering_core.observe.fault_injection import memory_of_block, planted_at
from steering_core.observe.forward_trace import make_traceable
from steering_core.tests.random_models import FAMILIES, random_model
from steering_core.tests.steering_styles import rows_of
from steering_core.tools.spec import BUILT_IN, find_tool

pytestmark = pytest.mark.usefixtures("one_thread")
BLOCK = 1
HARMFUL = [[5, 6, 7, 11, 12, 13], [5, 6, 8, 9]]
HARMLESS = [[5, 6, 9, 11, 12, 13], [5, 7, 8, 9]]
"""With the same beginnings, and the same ends, as the harmful ones."""
Read = Callable[[LoadedModel, TokenBatch], Tensor]


def by_tool(name: str) -> Read:
    site = Site("resid_post", BLOCK)
    return lambda model, batch: batch.at_last(find_tool(name).read(model, batch, [site])[site])


def summed(model: LoadedModel, batch: TokenBatch) -> Tensor:
    sites = [Site(stream, BLOCK) for stream in ("resid_mid", "mlp_contrib")]
    parts = find_tool("hooks").read(model, batch, sites)
    return batch.at_last(parts[sites[0]] + parts[sites[1]])


def row_by_row(model: LoadedModel, batch: TokenBatch) -> Tensor:
    return torch.cat([by_tool("hooks")(model, pad([row], 0)) for row in rows_of(batch)])


def in_chunks(model: LoadedModel, batch: TokenBatch) -> Tensor:
    """Of three tokens, right to left in the batch."""
    read: dict[int, Tensor] = {}
    hook = model.blocks[BLOCK].register_forward_hook(lambda module, args, output: read.update({0: output}))
    cache: Any = None
    with model.inference():
        for start in range(0, batch.ids.shape[1], 3):
            mask = batch.mask[:, : start + 3]
            positions = (mask.cumsum(1) - 1).clamp(min=0)[:, start:]
            given = {"attention_mask": mask, "position_ids": positions, "past_key_values": cache}
            cache = model.module(batch.ids[:, start : start + 3], **given, use_cache=True).past_key_values
    hook.remove()
    return read[0][:, -1]


def as_embeddings(model: LoadedModel, batch: TokenBatch) -> Tensor:
    read: dict[int, Tensor] = {}
    hook = model.blocks[BLOCK].register_forward_hook(lambda module, args, output: read.update({0: output}))
    embeddings = model.module.get_input_embeddings()(batch.ids)
    with model.inference():
        model.module(inputs_embeds=embeddings, attention_mask=batch.mask, position_ids=batch.position_ids)
    hook.remove()
    return batch.at_last(read[0])


READS: dict[str, Read] = {
    **{name: by_tool(name) for name in BUILT_IN},
    **{"mid and mlp": summed, "row by row": row_by_row, "chunks": in_chunks, "embeddings": as_embeddings},
}


def gained(family: str, read: Read) -> tuple[Tensor, Tensor]:
    """(the planted vector, what the last-token rows gained)."""
    model = random_model(family)
    make_traceable(model)
    batch, vector = pad(HARMFUL + HARMLESS, 0), torch.randn(model.spec.hidden)
    rows = []
    for context in (nullcontext(), planted_at(model, BLOCK, vector, pad(HARMFUL, 0))):
        with context:
            rows.append(read(model, batch).clone())
    return vector, rows[1] - rows[0]


@pytest.mark.parametrize("name", READS)
def test_every_right_way_of_reading_sees_the_plant(name: str) -> None:
    vector, gain = gained("qwen2", READS[name])

    assert torch.allclose(gain[:2], vector.expand(2, -1), atol=1e-3)
    assert gain[2:].abs().max() < 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_the_plant_has_its_size_in_every_family(family: str) -> None:
    for read in (summed, by_tool("hooks")):
        vector, gain = gained(family, read)
        assert torch.allclose(gain[:2], vector.expand(2, -1), atol=1e-3)
        assert gain[2:].abs().max() < 1e-3


INSIDE = ("resid_pre", "attn_out", "mlp_contrib", "k", "v", "resid_mid", "resid_post", "final_norm")


@pytest.mark.parametrize("family", ["qwen2", "gpt2", "phi3"])
@pytest.mark.parametrize("stream", INSIDE)
def test_the_memory_of_a_block_is_that_of_every_stream(family: str, stream: str) -> None:
    model, held = random_model(family), list[Tensor]()
    make_traceable(model)
    site = Site(stream, BLOCK)
    tap, columns = model.architecture.tap(site), model.columns(site)

    def hold(module: Any, args: Any, output: Any = None) -> None:
        value = args[0] if tap.side == "input" else output
        held.append((value[0] if isinstance(value, tuple) else value)[..., columns])

    module = model.module_at(tap.path)
    register = module.register_forward_pre_hook if tap.side == "input" else module.register_forward_hook
    with memory_of_block(model, BLOCK) as addresses, register(hold), model.inference():
        model.module(**pad(HARMFUL, 0).inputs())
        copied = held[0].clone()

    assert held[0].untyped_storage().data_ptr() in addresses
    assert copied.untyped_storage().data_ptr() not in addresses
