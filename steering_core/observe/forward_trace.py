"""An independent trace of a forward pass: what each block returned and what the next one received.

It observes in the classes of the base model, the decoder block, the final norm and the modules that write the streams
inside a block, beneath the modules, so it sees every tool's run: a tool can delete forward hooks (pyvene does) or replace
an instance's `forward` (nnsight does) without hiding from it. Call `make_traceable` before a tool wraps the model: a
wrapper keeps the `forward` that was there before it.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from itertools import product
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.observe.expectation import INSIDE
from steering_core.observe.model_call import ModelCall, call_of_block, call_of_model

Observer = Callable[[nn.Module, Any, Callable[[], Any]], Any]
"""Runs in place of a module's forward: gets the module, what it was given (its input tensor; of the base model, the
arguments by name), and the forward to call; returns the output."""
OBSERVERS: list[Observer] = []
"""The last one observes; while there is none, only the class's own forward runs."""


MODULES_INSIDE = ("resid_mid", *INSIDE)
"""Streams inside a block, by which the modules that receive or write them are called."""


@dataclass(frozen=True, eq=False)
class InnerTensors:
    """given, returned: [batch, width, hidden] of a module inside a block, before any tool changed what it returned.

    Of a module that a tool wrapped, its own, which come before those of the wrapper.
    """

    given: Tensor
    returned: Tensor


@dataclass(eq=False)
class ForwardTrace:
    """calls[call]: which tokens the call-th forward carried. received[call][i]: what block i got in it ([batch, seq,
    hidden]); index `layers` is the final norm. returned[call][i]: what block i itself returned, before any tool changed
    it. inside[call][i]: of block i, stream -> what the module that writes it was given and returned itself; of
    `resid_mid`, the module that receives it; only if looks_inside."""

    calls: list[ModelCall] = field(default_factory=list)
    received: list[dict[int, Tensor]] = field(default_factory=list)
    returned: list[dict[int, Tensor]] = field(default_factory=list)
    inside: list[dict[int, dict[str, InnerTensors]]] = field(default_factory=list)
    looks_inside: bool = False


def first_tensor(value: Any) -> Tensor:
    """A block returns a tensor in recent transformers and a tuple in older ones and in some families."""
    tensor: Tensor = value[0] if isinstance(value, tuple) else value
    return tensor


def make_traceable(model: LoadedModel) -> None:
    """Wrap the forward of the observed modules' classes, once; without observers nothing changes.

    (Activation checkpointing, used in training alone, looks for its own `forward` on the class and stays off.)
    """
    _make_classes_traceable(observed_modules(model))


def _make_classes_traceable(modules: list[nn.Module]) -> None:
    for kind in {type(module) for module in modules}:
        if not hasattr(kind.forward, "untraced"):
            kind.forward = _observable(kind.forward)  # type: ignore[method-assign, assignment]
    for module in modules:
        if "_old_forward" in vars(module):  # accelerate, which spreads a model over devices, keeps the earlier forward
            vars(module)["_old_forward"] = MethodType(type(module).forward, module)


def observed_modules(model: LoadedModel) -> list[nn.Module]:
    """The base model, its blocks, the final norm, and in each block what receives and writes the streams inside."""
    writers = [writer(model, stream, block) for block in range(len(model.blocks)) for stream in MODULES_INSIDE]
    return [model.module.base_model, *model.blocks, model.module_at(model.architecture.final_norm), *writers]


def contribution(model: LoadedModel, block: int) -> nn.Module:
    """The module whose output a block adds to the residual stream last."""
    return writer(model, "mlp_contrib", block)


def writer(model: LoadedModel, stream: str, block: int) -> nn.Module:
    """The module whose output (of `resid_mid`: input) is a stream inside a block."""
    return model.module_at(model.architecture.tap(Site(stream, block)).path)


def identity_of(module: nn.Module) -> tuple[Any, ...]:
    """The same for a module and for a copy of it that shares its weights: a tool may run a copy of the model."""
    return (type(module), id(next(module.parameters(), module)))


def _observable(original: Callable[..., Any]) -> Callable[..., Any]:
    names = list(inspect.signature(original).parameters)[1:]
    whole_model = "input_ids" in names

    @wraps(original)
    def forward(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if not OBSERVERS:
            return original(module, *args, **kwargs)
        named = dict(zip(names, args, strict=False)) | kwargs
        given = named if whole_model else next(iter(named.values()))
        return OBSERVERS[-1](module, given, lambda: original(module, *args, **kwargs))

    forward.untraced = original  # type: ignore[attr-defined]
    return forward


@contextmanager
def observing(model: LoadedModel, observer: Observer) -> Iterator[None]:
    """`observer` runs in place of the forward of each observed module while the context is open."""
    make_traceable(model)
    OBSERVERS.append(observer)
    try:
        yield
    finally:
        OBSERVERS.remove(observer)


@contextmanager
def trace_forward(
    model: LoadedModel, boundaries: set[int] | None = None, inside: bool = False, untouched: LoadedModel | None = None
) -> Iterator[ForwardTrace]:
    """Record block inputs and outputs while the context is open; `boundaries` limits what is kept.

    Boundary i is what block i receives (i = number of blocks: the final norm) and what block i - 1 returned. inside:
    record the modules inside blocks too. untouched: the same weights in modules that no tool has changed, for a model
    that a tool may have changed before: what is in a block's place there may be a wrapper, whose output is edited already.
    """
    trace, untouched = ForwardTrace(looks_inside=inside), untouched or model
    kept = set(range(len(untouched.blocks) + 1)) if boundaries is None else boundaries
    with observing(untouched, _recorder(model, untouched, trace, kept)):
        yield trace


def _recorder(model: LoadedModel, untouched: LoadedModel, trace: ForwardTrace, kept: set[int]) -> Observer:
    numbers, inner = _boundaries_by_module(untouched), _streams_by_module(untouched) if trace.looks_inside else {}
    base, current = identity_of(untouched.module.base_model), list[ModelCall]()

    def own_copy(tensor: Tensor) -> Tensor:
        return tensor.detach().to(model.device, copy=True)

    def record(module: nn.Module, given: Any, call: Callable[[], Any]) -> Any:
        identity = identity_of(module)
        if identity == base:
            if not trace.calls:
                _look_again(model, numbers, inner)
            current[:] = [call_of_model(given)]
            try:
                return call()
            finally:
                current.clear()
        number = numbers.get(identity)
        if number is None and identity not in inner:
            return call()
        if number == 0 or not trace.calls:
            trace.calls.append(current[0] if current else call_of_block(given))
            trace.received.append({})
            trace.returned.append({})
            trace.inside.append({})
        if number in kept:
            trace.received[-1][number] = own_copy(given)
        before = own_copy(given) if identity in inner else None
        output = call()
        if number is not None and number + 1 in kept:
            trace.returned[-1][number] = own_copy(first_tensor(output))
        if before is not None:
            block, streams = inner[identity]
            tensors = InnerTensors(before, own_copy(first_tensor(output)))
            trace.inside[-1][block] = dict.fromkeys(streams, tensors) | trace.inside[-1].get(block, {})
        return output

    recorder: Observer = torch.compiler.disable(record)  # a compiled model does not include the observer
    return recorder


def _look_again(model: LoadedModel, numbers: dict[Any, int], inner: dict[Any, tuple[int, list[str]]]) -> None:
    """A tool may replace modules when it first sees the model, as TransformerLens does with GPT-2's norms: observe those too.

    What a tool only wraps, as repeng does with blocks, still runs inside the wrapper.
    """
    norm = model.module_at(model.architecture.final_norm)
    numbers.setdefault(identity_of(norm), len(model.blocks))
    found = [norm]
    for block, stream in product(range(len(model.blocks)), MODULES_INSIDE) if inner else ():
        try:
            module = writer(model, stream, block)
        except AttributeError:  # in a wrapped block the path leads nowhere
            continue
        streams = inner.setdefault(identity_of(module), (block, []))[1]
        streams += [stream] if stream not in streams else []
        found.append(module)
    _make_classes_traceable(found)


def _boundaries_by_module(model: LoadedModel) -> dict[tuple[Any, ...], int]:
    """Identity of a block, or of the final norm -> its number."""
    modules = [*model.blocks, model.module_at(model.architecture.final_norm)]
    return {identity_of(module): number for number, module in enumerate(modules)}


def _streams_by_module(model: LoadedModel) -> dict[tuple[Any, ...], tuple[int, list[str]]]:
    """Identity of a module inside a block -> the number of the block, and the streams that the module writes or receives."""
    modules: dict[tuple[Any, ...], tuple[int, list[str]]] = {}
    for block in range(len(model.blocks)):
        for stream in MODULES_INSIDE:
            modules.setdefault(identity_of(writer(model, stream, block)), (block, []))[1].append(stream)
    return modules


def block_inputs(model: LoadedModel, inputs: dict[str, Any], boundaries: set[int] | None = None) -> dict[int, Tensor]:
    """One plain forward of the unmodified model -> what each block (and the final norm) received."""
    with trace_forward(model, boundaries) as trace:
        model.forward(inputs)
    return trace.received[0]
