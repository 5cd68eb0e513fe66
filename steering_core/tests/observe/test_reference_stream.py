"""The stream of an independent generation: edited at the requested tokens of each block, whatever the block returns."""

from typing import Any

import pytest
import torch
from torch import Tensor

from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.observe.forward_trace import make_traceable
from steering_core.observe.reference_stream import ReferenceStream
from steering_core.tests.random_models import prompts, random_model
from steering_core.tools.edits import Add, Edit, Phase

pytestmark = pytest.mark.usefixtures("one_thread")
VECTOR = torch.randn(64, generator=torch.Generator().manual_seed(1))
ANSWERS = torch.tensor([[5, 6, 7]] * 3)


def stream(model: LoadedModel, block: int, phase: Phase) -> ReferenceStream:
    edits: list[Edit] = [Add(Site("resid_post", block), VECTOR, 2.0, phase)]
    return ReferenceStream(model, prompts(3), ANSWERS, edits)


@pytest.mark.parametrize("block", [0, 1, 2])
@pytest.mark.parametrize("phase", ["prefill", "decode", "both"])
def test_each_block_is_edited_at_the_tokens_of_the_phase(block: int, phase: Phase) -> None:
    """Nine columns of prompts, where padding is not edited, then two of answers: the last token is not computed."""
    model = random_model("qwen2")
    make_traceable(model)
    real, later = prompts(3).mask.bool(), torch.ones(3, 2, dtype=torch.bool)
    expected = torch.cat([real & (phase != "decode"), later & (phase != "prefill")], 1)

    seen = stream(model, block, phase)

    for number in range(model.spec.layers):
        moved = (seen.received[number] != seen.returned[number]).any(-1)
        assert torch.equal(moved, expected & (number == block))


def test_what_a_block_returns_beside_the_stream_is_handed_on() -> None:
    """Blocks of some families and older releases return a tuple."""
    model = random_model("qwen2")
    make_traceable(model)
    seen, hidden = stream(model, 0, "both"), torch.zeros(3, 1, 64)
    weights, cache = object(), object()

    def call() -> tuple[Tensor, Any, Any]:
        return hidden, weights, cache

    output = seen._steer(model.blocks[0], None, call)

    assert output[1:] == (weights, cache)
    assert torch.equal(output[0], (2 * VECTOR).expand(3, 1, -1))
