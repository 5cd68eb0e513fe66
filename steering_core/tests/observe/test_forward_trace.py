"""The witness: right on an untouched model, not to be blinded by a tool, silent when nobody listens."""

from typing import Any

import pytest
import torch
from accelerate import dispatch_model
from torch import Tensor, nn

from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.observe import forward_trace as module
from steering_core.observe.forward_trace import block_inputs, make_traceable, trace_forward
from steering_core.tests.random_models import FAMILIES, LAYERS, prompts, random_model
from steering_core.tools.spec import BUILT_IN, find_tool

pytestmark = pytest.mark.usefixtures("one_thread")
NUMBERS = list(range(LAYERS + 1))


def received_by_hooks(model: LoadedModel, inputs: dict[str, Tensor]) -> list[Tensor]:
    """What each block and the final norm receive, by pre-hooks that the witness knows nothing of."""
    seen: list[Tensor] = []
    modules: list[nn.Module] = [*model.blocks, model.module_at(model.architecture.final_norm)]
    handles = [
        each.register_forward_pre_hook(
            lambda _, args, kwargs: seen.append((args[0] if args else kwargs["hidden_states"]).clone()),
            with_kwargs=True,
        )
        for each in modules
    ]
    model.module(**inputs)
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize("family", FAMILIES)
def test_sees_what_each_block_received_and_returned(family: str) -> None:
    model, batch = random_model(family), prompts(3)
    expected = received_by_hooks(model, batch.inputs())

    with trace_forward(model) as seen:
        model.module(**batch.inputs())

    assert [sorted(call) for call in (seen.received[0], seen.returned[0])] == [NUMBERS, NUMBERS[:-1]]
    assert [number for number in NUMBERS if not torch.equal(seen.received[0][number], expected[number])] == []
    assert [number for number in NUMBERS[1:] if not torch.equal(seen.returned[0][number - 1], expected[number])] == []


def test_is_not_blinded_where_a_model_is_spread_over_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """accelerate puts a `forward` of its own on each module and keeps the one that it found, before the witness came."""
    model, batch = random_model("qwen2"), prompts(3)
    expected = received_by_hooks(model, batch.inputs())
    for kind in {type(model.blocks[0]), type(model.module_at(model.architecture.final_norm))}:
        original = kind.__dict__["forward"]
        monkeypatch.setattr(kind, "forward", getattr(original, "watchable", original))
    parts = {name: "cpu" for name, part in model.module.named_modules() if not list(part.children())}
    dispatch_model(model.module, parts | {f"model.layers.{n}": "cpu" for n in range(LAYERS)}, "cpu", force_hooks=True)

    found = block_inputs(model, batch.inputs())

    assert [number for number in NUMBERS if not torch.equal(found[number], expected[number])] == []


def test_boundary_inputs_keeps_what_was_asked_for() -> None:
    model, batch = random_model("qwen2"), prompts(3)
    expected = received_by_hooks(model, batch.inputs())

    found = block_inputs(model, batch.inputs(), {2, LAYERS})

    assert sorted(found) == [2, LAYERS]
    assert torch.equal(found[2], expected[2])
    assert not found[2].requires_grad


def test_tells_what_a_block_returned_from_what_the_next_one_received() -> None:
    """A steering hook sits between the two; this is what shifts are measured by."""
    model, batch = random_model("qwen2"), prompts(3)
    model.blocks[1].register_forward_hook(lambda module, args, output: output + 5)

    with trace_forward(model) as seen:
        model.module(**batch.inputs())

    assert torch.equal(seen.received[0][2], seen.returned[0][1] + 5)
    assert torch.equal(seen.received[0][1], seen.returned[0][0])


def test_counts_the_calls_of_a_generation() -> None:
    model, batch = random_model("qwen2"), prompts(3)

    with trace_forward(model, {1}) as seen:
        model.module.generate(batch.ids, attention_mask=batch.mask, generation_config=model.decoding(4))

    assert [tuple(call[1].shape) for call in seen.received] == [(3, 9, 64), (3, 1, 64), (3, 1, 64), (3, 1, 64)]
    assert [list(call) for call in seen.returned] == [[0]] * 4


@pytest.mark.parametrize("name", list(BUILT_IN))
def test_no_tool_blinds_it(name: str) -> None:
    """pyvene deletes every forward hook, nnsight replaces every instance's forward."""
    model, batch, tool = random_model("qwen2"), prompts(3), find_tool(name)
    expected = received_by_hooks(model, batch.inputs())
    make_traceable(model)
    tool.read(model, batch, [Site("resid_post", 1)])

    with trace_forward(model) as during:
        tool.read(model, batch, [Site("resid_post", 1)])
    after = block_inputs(model, batch.inputs())

    assert [number for number in NUMBERS if not torch.equal(during.received[0][number], expected[number])] == []
    assert [number for number in NUMBERS if not torch.equal(after[number], expected[number])] == []


def test_what_was_seen_does_not_change_with_later_work_in_place() -> None:
    model, batch = random_model("qwen2"), prompts(3)
    expected = received_by_hooks(model, batch.inputs())
    model.blocks[1].register_forward_hook(lambda module, args, output: output.zero_())

    with trace_forward(model) as seen:
        model.module(**batch.inputs())

    assert torch.equal(seen.returned[0][1], expected[2])


def test_looks_only_at_its_own_model_and_only_while_open() -> None:
    model, other, batch = random_model("qwen2"), random_model("qwen2"), prompts(3)

    with trace_forward(model) as seen:
        other.module(**batch.inputs())
    model.module(**batch.inputs())

    assert (seen.received, seen.returned) == ([], [])
    assert module.OBSERVERS == []


def test_a_fault_inside_closes_it() -> None:
    model = random_model("qwen2")

    def fail(*args: Any) -> None:
        raise ZeroDivisionError

    model.blocks[1].register_forward_hook(fail)
    with pytest.raises(ZeroDivisionError), trace_forward(model):
        model.module(**prompts(1).inputs())
    assert module.OBSERVERS == []


def test_posting_twice_wraps_once_and_changes_no_result() -> None:
    model, batch = random_model("qwen2"), prompts(3)
    logits = model.module(**batch.inputs()).logits

    make_traceable(model)
    once = type(model.blocks[0]).forward
    make_traceable(model)

    assert type(model.blocks[0]).forward is once
    assert torch.equal(model.module(**batch.inputs()).logits, logits)
