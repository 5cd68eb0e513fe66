"""Runs a model with the interventions of selection methods: hooks at any stream, at every token of one forward."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from steering_core.directions.scoring.interventions import Intervention, Step
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.tools.edits import Ablate, Add, Edit


@contextmanager
def intervened(model: LoadedModel, intervention: Intervention) -> Iterator[None]:
    """Apply the steps to every forward while the context is open; hooks are removed at the end."""
    with ExitStack() as hooks:
        for step in intervention:
            for layer in step.layers:
                hooks.callback(_hook(model, _edit(step, layer)).remove)
        yield


def _edit(step: Step, layer: int) -> Edit:
    site = Site(step.stream, layer)
    return Ablate(site, step.vector) if step.action == "ablate" else Add(site, step.vector, 1.0)


def _hook(model: LoadedModel, edit: Edit) -> Any:
    """Hooks run in the order of registration, so the steps at one site apply in theirs."""
    tap = model.architecture.tap(edit.site)
    module = model.module_at(tap.path)
    if tap.side == "output":
        return module.register_forward_hook(_on_output(edit.apply))
    return module.register_forward_pre_hook(_on_input(edit.apply), with_kwargs=True)


def _on_output(apply: Callable[[Tensor], Tensor]) -> Callable[[nn.Module, Any, Any], Any]:
    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        return (apply(output[0]), *output[1:]) if isinstance(output, tuple) else apply(output)

    return hook


def _on_input(apply: Callable[[Tensor], Tensor]) -> Callable[[nn.Module, Any, Any], Any]:
    def hook(module: nn.Module, args: Any, kwargs: Any) -> Any:
        if args:
            return (apply(args[0]), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": apply(kwargs["hidden_states"])}

    return hook
