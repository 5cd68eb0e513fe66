"""What an adapter leaves behind, and that its own library did the work."""

from collections.abc import Callable
from typing import Any

import nnsight
import pytest
import pyvene
import torch
from torch import nn

from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.tests.random_models import prompts, random_model
from steering_core.tools.edits import Add
from steering_core.tools.spec import BUILT_IN, find_tool

pytestmark = pytest.mark.usefixtures("one_thread")

SITE = Site("resid_post", 1)
Call = Callable[[Any, LoadedModel], Any]


def read(tool: Any, model: LoadedModel) -> Any:
    return tool.read(model, prompts(3), [SITE])


def generate(tool: Any, model: LoadedModel) -> Any:
    return tool.generate(model, prompts(3), [Add(SITE, torch.ones(64), 1.0)], 3)


class FaultError(Exception):
    """Raised by the model on purpose."""


class FaultyHead(nn.Module):
    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        raise FaultError("on purpose")


@pytest.fixture(params=list(BUILT_IN))
def tool(request: pytest.FixtureRequest) -> Any:
    return find_tool(request.param)


@pytest.mark.parametrize("call", [read, generate])
def test_a_fault_inside_reaches_the_caller_and_leaves_nothing_behind(tool: Any, call: Call) -> None:
    model, batch = random_model("qwen2"), prompts(3)
    logits, head = model.module(**batch.inputs()).logits, model.module.lm_head
    model.module.lm_head = FaultyHead()

    with pytest.raises(FaultError, match="on purpose"):
        call(tool, model)

    model.module.lm_head = head
    assert [name for name, module in model.module.named_modules() if module._forward_hooks] == []
    assert [name for name, module in model.module.named_modules() if module._forward_pre_hooks] == []
    assert torch.equal(model.module(**batch.inputs()).logits, logits)
    assert call(tool, model) is not None


def state(model: LoadedModel, library_calls: list[int]) -> dict[str, Any]:
    """What a borrower could have changed."""
    library_calls.clear()
    modules = list(model.module.modules())
    logits = model.module(**prompts(3).inputs()).logits
    return {
        "user hook": len(library_calls),
        "hooks": sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in modules),
        "forward": sum("forward" in vars(module) for module in modules),
        "requires_grad": sum(parameter.requires_grad for parameter in model.module.parameters()),
        "training": sum(module.training for module in modules),
        "config": model.module.config.to_dict(),
        "generation config": model.module.generation_config.to_dict(),
        "padding side": model.tokenizer.padding_side,
        "random state": torch.get_rng_state().tolist(),
        "parameters": [parameter.sum().item() for parameter in model.module.parameters()],
        "logits": logits.tolist(),
    }


@pytest.mark.parametrize("call", [read, generate])
@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("hooks", []),
        ("nnsight", ["forward", "padding side"]),
        ("pyvene", ["user hook", "hooks", "requires_grad"]),
    ],
)
def test_leaves_the_model_as_the_library_leaves_it(name: str, changed: list[str], call: Call) -> None:
    model, library_calls = random_model("qwen2"), list[int]()
    model.module.requires_grad_(True)
    model.tokenizer.padding_side = "right"
    model.blocks[0].register_forward_hook(lambda module, args, output: library_calls.append(1))
    before = state(model, library_calls)

    call(find_tool(name), model)

    after = state(model, library_calls)
    assert [what for what in before if before[what] != after[what]] == changed


@pytest.mark.parametrize(
    ("name", "owner", "method", "call"),
    [
        ("nnsight", nnsight.intervention.tracer.InterleavingTracer, "execute", read),
        ("nnsight", nnsight.intervention.tracer.InterleavingTracer, "execute", generate),
        ("pyvene", pyvene.CollectIntervention, "forward", read),
        ("pyvene", pyvene.AdditionIntervention, "forward", generate),
        ("pyvene", pyvene.IntervenableModel, "forward", read),
        ("pyvene", pyvene.IntervenableModel, "generate", generate),
    ],
)
def test_the_library_itself_does_the_work(
    name: str, owner: Any, method: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise FaultError(method)

    monkeypatch.setattr(owner, method, refuse)
    with pytest.raises(FaultError, match=method):
        call(find_tool(name), random_model("qwen2"))


@pytest.mark.parametrize("call", [read, generate])
def test_only_the_reference_tool_uses_hooks_of_its_own(tool: Any, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    callers: set[str] = set()
    original = nn.Module.register_forward_hook

    def register(module: nn.Module, hook: Any, **kwargs: Any) -> Any:
        callers.add(hook.__module__)
        return original(module, hook, **kwargs)

    monkeypatch.setattr(nn.Module, "register_forward_hook", register)
    call(tool, random_model("qwen2"))

    ours = {caller for caller in callers if caller.startswith("steering_core")}
    assert ours == ({"steering_core.tools.adapters.hooks"} if tool.name == "hooks" else set())


def test_hooks_edit_nothing_in_place() -> None:
    model, seen = random_model("qwen2"), list[tuple[torch.Tensor, torch.Tensor]]()
    model.blocks[1].register_forward_hook(lambda module, args, output: seen.append((output, output.clone())))
    generate(find_tool("hooks"), model)
    assert len(seen) == 3
    assert all(torch.equal(output, copy) for output, copy in seen)


def test_nnsight_takes_a_model_placed_by_a_device_map() -> None:
    model = random_model("qwen2")
    model.module.hf_device_map = {"": "cpu"}
    assert read(find_tool("nnsight"), model)[SITE].shape == (3, 9, 64)


def test_nnsight_keeps_the_model_on_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[Any] = []
    model = random_model("qwen2")
    monkeypatch.setattr("transformers.pipelines.base.is_torch_cuda_available", lambda: True)
    monkeypatch.setattr(type(model.module), "to", lambda module, *args, **kwargs: moved.append(args))
    read(find_tool("nnsight"), model)
    assert moved == []


def test_prints_nothing(tool: Any, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    model = random_model("qwen2")
    capfd.readouterr()
    read(tool, model)
    generate(tool, model)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
