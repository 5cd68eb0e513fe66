"""An independent witness of a forward pass: what each block returned and what the next one really received.

It looks on from the classes of the decoder block and the final norm, below the modules, so it sees the run of any tool:
forward hooks can be deleted (pyvene does) and instance-level `forward` replaced (nnsight does) without blinding it.
It must be posted before a tool wraps the model: a wrapper keeps the `forward` that it found.
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
OBSERVERS: list[Observer] = []
"""Who looks on at the moment; empty outside `witness`, and the forward is then the class's own."""


@dataclass(eq=False)
class ForwardTrace:
    """received[call][i]: what block i got in the call-th forward ([batch, seq, hidden]); index `layers` is the final
    norm. returned[call][i]: what block i itself returned, before any tool touched it."""

    received: list[dict[int, Tensor]] = field(default_factory=list)
    returned: list[dict[int, Tensor]] = field(default_factory=list)


def first_tensor(value: Any) -> Tensor:
    """A block returns a tensor in recent transformers and a tuple in older ones and in some families."""
    found: Tensor = value[0] if isinstance(value, tuple) else value
    return found


def make_traceable(model: LoadedModel) -> None:
    """Make the model's block and final-norm classes watchable, once and for all; without onlookers nothing changes.

    (Activation checkpointing, of training alone, looks for its own `forward` on the class and stays off.)
    """
    for kind in {type(model.blocks[0]), type(model.module_at(model.architecture.final_norm))}:
        original = kind.__dict__["forward"]
        if not hasattr(original, "watchable"):
            kind.forward = _watchable(original)
    for module in (*model.blocks, model.module_at(model.architecture.final_norm)):
        if "_old_forward" in vars(module):  # accelerate, which spreads a model over devices, keeps what it found
            module._old_forward = MethodType(type(module).forward, module)


def _watchable(original: Callable[..., Any]) -> Callable[..., Any]:
    def forward(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if not OBSERVERS:
            return original(module, *args, **kwargs)
        hidden = args[0] if args else kwargs["hidden_states"]
        return OBSERVERS[-1](module, hidden, lambda: original(module, *args, **kwargs))

    forward.watchable = original  # type: ignore[attr-defined]
    return forward


@contextmanager
def trace_forward(model: LoadedModel, layers: set[int] | None = None) -> Iterator[ForwardTrace]:
    """Record block inputs and outputs while the context is open; `layers` limits which boundaries are kept.

    Boundary i is what block i receives (i = number of blocks: the final norm) and what block i - 1 returned.
    """
    make_traceable(model)
    seen = ForwardTrace()
    OBSERVERS.append(_recorder(model, seen, layers))
    try:
        yield seen
    finally:
        OBSERVERS.pop()


def _recorder(model: LoadedModel, seen: ForwardTrace, layers: set[int] | None) -> Observer:
    blocks = list(model.blocks)
    norm = model.module_at(model.architecture.final_norm)
    index = {id(block): number for number, block in enumerate(blocks)} | {id(norm): len(blocks)}
    keep = set(range(len(blocks) + 1)) if layers is None else layers

    def record(module: nn.Module, hidden: Tensor, call: Callable[[], Any]) -> Any:
        number = index.get(id(module))
        if number is None:
            return call()
        if number == 0:
            seen.received.append({})
            seen.returned.append({})
        if number in keep:
            seen.received[-1][number] = hidden.detach().to(model.device, copy=True)
        result = call()
        if number < len(blocks) and number + 1 in keep:
            seen.returned[-1][number] = first_tensor(result).detach().to(model.device, copy=True)
        return result

    watching: Observer = torch.compiler.disable(record)  # what looks on is no part of a compiled model
    return watching


def block_inputs(model: LoadedModel, inputs: dict[str, Tensor], layers: set[int] | None = None) -> dict[int, Tensor]:
    """One plain forward of the unmodified model -> what each block (and the final norm) received."""
    with trace_forward(model, layers) as seen:
        model.forward(inputs)
    return seen.received[0]
