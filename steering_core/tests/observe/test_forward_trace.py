"""The forward trace: correct on an unmodified model, whatever a tool does to it, and inactive when not observing."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from accelerate import dispatch_model
from torch import Tensor, nn

from steering_core.models.model import LoadedModel
from steering_core.models.shared_copy import sharing_copy
from steering_core.models.sites import Site
from steering_core.observe.forward_trace import OBSERVERS, block_inputs, make_traceable, trace_forward
from steering_core.tests.random_models import FAMILIES, LAYERS, prompts, random_model
from steering_core.tools.spec import BUILT_IN, find_tool

pytestmark = pytest.mark.usefixtures("one_thread")
NUMBERS = list(range(LAYERS + 1))


def received_by_hooks(model: LoadedModel, inputs: dict[str, Tensor]) -> list[Tensor]:
    """What each block and the final norm receive, by pre-hooks."""
    received: list[Tensor] = []
    modules: list[nn.Module] = [*model.blocks, model.module_at(model.architecture.final_norm)]
    handles = [
        module.register_forward_pre_hook(
            lambda _, args, kwargs: received.append((args[0] if args else kwargs["hidden_states"]).clone()),
            with_kwargs=True,
        )
        for module in modules
    ]
    model.module(**inputs)
    for handle in handles:
        handle.remove()
    return received


@pytest.mark.parametrize("family", FAMILIES)
def test_records_what_each_block_received_and_returned(family: str) -> None:
    model, batch = random_model(family), prompts(3)
    expected = received_by_hooks(model, batch.inputs())

    with trace_forward(model) as trace:
        model.module(**batch.inputs())

    assert [sorted(call) for call in (trace.received[0], trace.returned[0])] == [NUMBERS, NUMBERS[:-1]]
    assert [number for number in NUMBERS if not torch.equal(trace.received[0][number], expected[number])] == []
    assert [number for number in NUMBERS[1:] if not torch.equal(trace.returned[0][number - 1], expected[number])] == []


class OwnNorm(nn.Module):
    """A norm that a tool puts into the model, and that computes itself instead of calling the one it replaces."""

    def __init__(self, replaced: nn.Module) -> None:
        super().__init__()
        self.weight, self.bias = replaced.weight, replaced.bias

    def forward(self, hidden: Tensor) -> Tensor:
        """hidden: [batch, seq, width]."""
        return nn.functional.layer_norm(hidden, hidden.shape[-1:], self.weight, self.bias)


def test_what_a_replaced_norm_receives_is_recorded_though_a_tool_replaces_it_under_observation() -> None:
    model, batch = random_model("gpt2"), prompts(3)
    expected = received_by_hooks(model, batch.inputs())

    with trace_forward(model) as trace:
        parent, _, name = model.architecture.final_norm.rpartition(".")
        setattr(model.module_at(parent), name, OwnNorm(model.module_at(model.architecture.final_norm)))
        model.module(**batch.inputs())

    assert sorted(trace.received[0]) == NUMBERS
    assert torch.equal(trace.received[0][LAYERS], expected[LAYERS])


class Wrapper(nn.Module):
    """What repeng puts in a block's place: it calls the block, whose submodules keep no path, and edits what it returns."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The block's output, plus one."""
        return self.block(*args, **kwargs) + 1


def test_a_block_that_a_tool_wraps_under_observation_is_observed_before_the_tool_edits() -> None:
    model, batch = random_model("qwen2"), prompts(3)

    with trace_forward(model, inside=True) as trace:
        model.blocks[1] = Wrapper(model.blocks[1])
        model.module(**batch.inputs())

    assert (len(trace.calls), sorted(trace.received[0]), sorted(trace.returned[0])) == (1, NUMBERS, NUMBERS[:-1])
    assert sorted(trace.inside[0]) == NUMBERS[:-1]
    assert trace.received[0][2].equal(trace.returned[0][1] + 1)


def test_a_block_that_a_tool_wrapped_before_is_observed_before_the_tool_edits() -> None:
    model, batch = random_model("qwen2"), prompts(3)
    untouched = replace(model, module=sharing_copy(model.module))
    model.blocks[1] = Wrapper(model.blocks[1])

    with trace_forward(model, inside=True, untouched=untouched) as trace:
        model.module(**batch.inputs())

    assert sorted(trace.inside[0]) == NUMBERS[:-1]
    assert trace.received[0][2].equal(trace.returned[0][1] + 1)


def test_an_mlp_that_a_tool_wraps_under_observation_is_observed_before_the_tool_edits() -> None:
    model, batch = random_model("qwen2"), prompts(3)

    with trace_forward(model, inside=True) as trace:
        mlp = model.blocks[1].mlp
        model.blocks[1].mlp = Wrapper(mlp)
        model.module(**batch.inputs())

    inner = trace.inside[0][1]["mlp_out"]
    assert inner.returned.equal(mlp(inner.given))


def test_traces_a_model_spread_over_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """accelerate replaces each module's `forward` and keeps the earlier one, from before the class was wrapped."""
    model, batch = random_model("qwen2"), prompts(3)
    expected = received_by_hooks(model, batch.inputs())
    for kind in {type(model.blocks[0]), type(model.module_at(model.architecture.final_norm))}:
        original = kind.__dict__["forward"]
        monkeypatch.setattr(kind, "forward", getattr(original, "untraced", original))
    parts = {name: "cpu" for name, part in model.module.named_modules() if not list(part.children())}
    dispatch_model(model.module, parts | {f"model.layers.{n}": "cpu" for n in range(LAYERS)}, "cpu", force_hooks=True)

    received = block_inputs(model, batch.inputs())

    assert [number for number in NUMBERS if not torch.equal(received[number], expected[number])] == []


def test_block_inputs_keeps_only_the_requested_boundaries() -> None:
    model, batch = random_model("qwen2"), prompts(3)
    expected = received_by_hooks(model, batch.inputs())

    received = block_inputs(model, batch.inputs(), {2, LAYERS})

    assert sorted(received) == [2, LAYERS]
    assert torch.equal(received[2], expected[2])
    assert not received[2].requires_grad


def test_separates_what_a_block_returned_from_what_the_next_one_received() -> None:
    """A steering hook acts between the two; shifts are measured as their difference."""
    model, batch = random_model("qwen2"), prompts(3)
    model.blocks[1].register_forward_hook(lambda module, args, output: output + 5)

    with trace_forward(model) as trace:
        model.module(**batch.inputs())

    assert torch.equal(trace.received[0][2], trace.returned[0][1] + 5)
    assert torch.equal(trace.received[0][1], trace.returned[0][0])


def test_records_each_forward_call_of_a_generation() -> None:
    model, batch = random_model("qwen2"), prompts(3)

    with trace_forward(model, {1}) as trace:
        model.module.generate(batch.ids, attention_mask=batch.mask, generation_config=model.decoding(4))

    assert [tuple(call[1].shape) for call in trace.received] == [(3, 9, 64), (3, 1, 64), (3, 1, 64), (3, 1, 64)]
    assert [list(call) for call in trace.returned] == [[0]] * 4


@pytest.mark.parametrize("name", list(BUILT_IN))
def test_no_tool_disables_the_trace(name: str) -> None:
    """pyvene deletes all forward hooks, nnsight replaces every instance's `forward`."""
    model, batch, tool = random_model("qwen2"), prompts(3), find_tool(name)
    expected = received_by_hooks(model, batch.inputs())
    make_traceable(model)
    tool.read(model, batch, [Site("resid_post", 1)])

    with trace_forward(model) as during:
        tool.read(model, batch, [Site("resid_post", 1)])
    after = block_inputs(model, batch.inputs())

    assert [number for number in NUMBERS if not torch.equal(during.received[0][number], expected[number])] == []
    assert [number for number in NUMBERS if not torch.equal(after[number], expected[number])] == []


def test_recorded_tensors_survive_later_in_place_writes() -> None:
    model, batch = random_model("qwen2"), prompts(3)
    expected = received_by_hooks(model, batch.inputs())
    model.blocks[1].register_forward_hook(lambda module, args, output: output.zero_())

    with trace_forward(model) as trace:
        model.module(**batch.inputs())

    assert torch.equal(trace.returned[0][1], expected[2])


def test_traces_only_its_model_and_only_while_open() -> None:
    model, other, batch = random_model("qwen2"), random_model("qwen2"), prompts(3)

    with trace_forward(model) as trace:
        other.module(**batch.inputs())
    model.module(**batch.inputs())

    assert (trace.received, trace.returned) == ([], [])
    assert OBSERVERS == []


def test_an_exception_closes_the_trace() -> None:
    model = random_model("qwen2")

    def fail(*args: Any) -> None:
        raise ZeroDivisionError

    model.blocks[1].register_forward_hook(fail)
    with pytest.raises(ZeroDivisionError), trace_forward(model):
        model.module(**prompts(1).inputs())
    assert OBSERVERS == []


def test_make_traceable_wraps_once_and_changes_no_result() -> None:
    model, batch = random_model("qwen2"), prompts(3)
    logits = model.module(**batch.inputs()).logits

    make_traceable(model)
    once = type(model.blocks[0]).forward
    make_traceable(model)

    assert type(model.blocks[0]).forward is once
    assert torch.equal(model.module(**batch.inputs()).logits, logits)
