"""A GPU is waited for once per generation, not once per forward call or block: on a shared one every wait is long."""

import pytest
import torch

from steering_core.models.sites import Site
from steering_core.models.transfers import on_cpu
from steering_core.observe.forward_trace import trace_forward
from steering_core.observe.judgment import judge_exactly
from steering_core.observe.model_call import calls_on_cpu
from steering_core.observe.row_matching import known_rows
from steering_core.observe.tokens_seen import find_tokens
from steering_core.tests.counting_waits import counted_waits
from steering_core.tests.random_models import prompts, random_model
from steering_core.tools.adapters.hooks import Hooks
from steering_core.tools.edits import Add


def test_all_blocks_of_a_call_come_from_the_gpu_together(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = random_model("llama"), prompts(3)
    edit = Add(Site("resid_post", 0), torch.ones(model.spec.hidden), 2.0)
    with trace_forward(model) as trace:
        ids = Hooks().generate(model, batch, [edit], 4)
    seen = find_tokens(model, trace.calls, known_rows(batch, ids, []))
    waits = counted_waits(monkeypatch)
    judgment = judge_exactly(model, trace, seen, [edit])

    assert len(trace.calls) == 4
    assert model.spec.layers > 1
    assert waits == ["cpu"]
    assert judgment.requested[0].all(), "and the edit was seen"
    assert not judgment.verdicts.any()


def test_forwards_are_recorded_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a forward was given stays on the GPU until the generation is over; then all of it comes at once."""
    model, batch = random_model("llama"), prompts(3)
    with trace_forward(model) as trace, model.inference():
        waits = counted_waits(monkeypatch)
        first = model.module(**batch.inputs(), use_cache=True)
        mask = torch.cat([batch.mask, torch.ones_like(batch.mask[:, :1])], 1)
        model.module(batch.ids[:, :1], attention_mask=mask, past_key_values=first.past_key_values)
    recorded, waits[:] = [*waits], []
    calls = calls_on_cpu(trace.calls)

    assert recorded == []
    assert waits == ["cpu"]
    assert [call.shape for call in calls] == [(3, batch.ids.shape[1]), (3, 1)]
    assert calls[0].ids is not None
    assert calls[0].ids.equal(batch.ids)
    assert calls[0].real.equal(batch.mask.bool())


def test_one_transfer_takes_tensors_of_every_dtype_and_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    given = [
        torch.tensor([True, False, True]),
        torch.arange(6).reshape(2, 3).T,
        torch.tensor(2.5, dtype=torch.bfloat16),
        torch.zeros(0, 4),
        torch.tensor([[-1.5]], dtype=torch.float64).expand(2, 3),
    ]
    waits = counted_waits(monkeypatch)
    taken = on_cpu(given)

    assert waits == ["cpu"]
    assert on_cpu([]) == []
    for own, copy in zip(given, taken, strict=True):
        assert own.dtype == copy.dtype
        assert own.equal(copy)
    given[1].zero_()
    assert taken[1][2, 1] == 5, "a copy"
