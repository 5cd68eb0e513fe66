"""An independent trace of a forward pass: what each block returned and what the next one received.

It observes in the classes of the decoder block and the final norm, beneath the modules, so it sees every tool's run: a
tool can delete forward hooks (pyvene does) or replace an instance's `forward` (nnsight does) without hiding from it.
Call `make_traceable` before a tool wraps the model: a wrapper keeps the `forward` that was there before it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from steering_core.models.model import LoadedModel

Observer = Callable[[nn.Module, Tensor, Callable[[], Any]], Any]
"""Runs in place of a module's forward: gets the module, its input, and the forward to call; returns the output."""
OBSERVERS: list[Observer] = []
"""The last one observes; while there is none, only the class's own forward runs."""


@dataclass(eq=False)
class ForwardTrace:
    """received[call][i]: what block i got in the call-th forward ([batch, seq, hidden]); index `layers` is the final
    norm. returned[call][i]: what block i itself returned, before any tool changed it."""

    received: list[dict[int, Tensor]] = field(default_factory=list)
    returned: list[dict[int, Tensor]] = field(default_factory=list)


def first_tensor(value: Any) -> Tensor:
    """A block returns a tensor in recent transformers and a tuple in older ones and in some families."""
    tensor: Tensor = value[0] if isinstance(value, tuple) else value
    return tensor


def make_traceable(model: LoadedModel) -> None:
    """Wrap the forward of the model's block and final-norm classes, once; without observers nothing changes.

    (Activation checkpointing, used in training alone, looks for its own `forward` on the class and stays off.)
    """
    modules = [*model.blocks, model.module_at(model.architecture.final_norm)]
    for kind in {type(module) for module in modules}:
        original = kind.__dict__["forward"]
        if not hasattr(original, "untraced"):
            kind.forward = _observable(original)  # type: ignore[assignment]
    for module in modules:
        if "_old_forward" in vars(module):  # accelerate, which spreads a model over devices, keeps the earlier forward
            module._old_forward = MethodType(type(module).forward, module)


def _observable(original: Callable[..., Any]) -> Callable[..., Any]:
    def forward(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if not OBSERVERS:
            return original(module, *args, **kwargs)
        hidden = args[0] if args else kwargs["hidden_states"]
        return OBSERVERS[-1](module, hidden, lambda: original(module, *args, **kwargs))

    forward.untraced = original  # type: ignore[attr-defined]
    return forward


@contextmanager
def observing(model: LoadedModel, observer: Observer) -> Iterator[None]:
    """`observer` runs in place of each block's and the final norm's forward while the context is open."""
    make_traceable(model)
    OBSERVERS.append(observer)
    try:
        yield
    finally:
        OBSERVERS.remove(observer)


@contextmanager
def trace_forward(model: LoadedModel, boundaries: set[int] | None = None) -> Iterator[ForwardTrace]:
    """Record block inputs and outputs while the context is open; `boundaries` limits what is kept.

    Boundary i is what block i receives (i = number of blocks: the final norm) and what block i - 1 returned.
    """
    trace = ForwardTrace()
    with observing(model, _recorder(model, trace, boundaries)):
        yield trace


def _recorder(model: LoadedModel, trace: ForwardTrace, boundaries: set[int] | None) -> Observer:
    modules = [*model.blocks, model.module_at(model.architecture.final_norm)]
    numbers = {id(module): number for number, module in enumerate(modules)}
    kept = set(numbers.values()) if boundaries is None else boundaries

    def record(module: nn.Module, hidden: Tensor, call: Callable[[], Any]) -> Any:
        number = numbers.get(id(module))
        if number is None:
            return call()
        if number == 0:
            trace.received.append({})
            trace.returned.append({})
        if number in kept:
            trace.received[-1][number] = hidden.detach().to(model.device, copy=True)
        output = call()
        if number + 1 in kept:
            trace.returned[-1][number] = first_tensor(output).detach().to(model.device, copy=True)
        return output

    recorder: Observer = torch.compiler.disable(record)  # a compiled model does not include the observer
    return recorder


def block_inputs(
    model: LoadedModel, inputs: dict[str, Tensor], boundaries: set[int] | None = None
) -> dict[int, Tensor]:
    """One plain forward of the unmodified model -> what each block (and the final norm) received."""
    with trace_forward(model, boundaries) as trace:
        model.forward(inputs)
    return trace.received[0]
