"""A GPU is waited for once per forward call, not once per block: on a shared one every wait is long."""

import pytest
import torch
from torch import Tensor

from steering_core.models.sites import Site
from steering_core.observe.forward_trace import trace_forward
from steering_core.observe.judgment import judge_exactly
from steering_core.observe.row_matching import known_rows
from steering_core.observe.tokens_seen import find_tokens
from steering_core.tests.random_models import prompts, random_model
from steering_core.tools.adapters.hooks import Hooks
from steering_core.tools.edits import Add


def test_all_blocks_of_a_call_come_from_the_gpu_together(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = random_model("llama"), prompts(3)
    edit = Add(Site("resid_post", 0), torch.ones(model.spec.hidden), 2.0)
    with trace_forward(model) as trace:
        ids = Hooks().generate(model, batch, [edit], 4)
    seen = find_tokens(model, trace.calls, known_rows(batch, ids, []))
    taken, take = list[tuple[int, ...]](), Tensor.cpu

    def counted(tensor: Tensor) -> Tensor:
        taken.append(tuple(tensor.shape))
        return take(tensor)

    monkeypatch.setattr(Tensor, "cpu", counted)
    judgment = judge_exactly(model, trace, seen, [edit])

    blocks = model.spec.layers
    assert len(trace.calls) == 4
    assert blocks > 1
    assert [shape[0] for shape in taken] == [blocks] * 4 * 4, (
        "what moved, how far, where it had to, and what a sum in some order gives: per call"
    )
    assert judgment.requested[0].all(), "and the edit was seen"
    assert not judgment.verdicts.any()
