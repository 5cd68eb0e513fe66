"""Deliberate disturbances of a forward pass, for checks of ownership, failure and ground truth.

Each is a context that acts on the input or output of one block while it is open, whatever tool runs the model.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch
from steering_core.observe.forward_trace import contribution, first_tensor, identity_of, observing
from steering_core.observe.model_call import call_of_block, call_of_model, calls_on_cpu
from steering_core.observe.row_matching import RowMatcher, Segment, known_rows
from steering_core.observe.tokens_seen import known_ids


class PlannedFailure(RuntimeError):
    """Raised inside a forward pass on purpose; must reach the caller unchanged."""


class PlannedInterrupt(KeyboardInterrupt):
    """The same for Ctrl-C, which `except Exception` does not catch."""


@contextmanager
def failing_at(model: LoadedModel, block: int, kind: type[BaseException] = PlannedFailure) -> Iterator[None]:
    """The block raises instead of computing."""
    target = identity_of(model.blocks[block])

    def fail(module: nn.Module, hidden: Tensor, call: Callable[[], Any]) -> Any:
        if identity_of(module) == target:
            raise kind(f"planned failure in block {block}")
        return call()

    with observing(model, fail):
        yield


@contextmanager
def memory_of_block(model: LoadedModel, block: int) -> Iterator[set[int]]:
    """The addresses of the tensors that a block, the modules inside it and the final norm receive and return; all are kept
    alive while the context is open, so that no later tensor has one of these addresses by chance."""
    addresses, kept, running = set[int](), list[Tensor](), list[tuple[Any, ...]]()
    target, base = identity_of(model.blocks[block]), identity_of(model.module.base_model)
    final_norm = identity_of(model.module_at(model.architecture.final_norm))

    def keep(module: nn.Module, given: Any, output: Any) -> None:
        tensors = [value for value in (*given, first_tensor(output)) if isinstance(value, Tensor)]
        kept.extend(tensors)
        addresses.update(tensor.untyped_storage().data_ptr() for tensor in tensors)

    def remember(module: nn.Module, hidden: Tensor, call: Callable[[], Any]) -> Any:
        identity = identity_of(module)
        running.append(identity)
        # A tool may call the final norm by itself, and then owns the result.
        used = identity == target or (identity == final_norm and base in running)
        try:
            with register_module_forward_hook(keep) if used else nullcontext():
                output = call()
        finally:
            running.pop()
        if used:
            keep(module, (hidden,), output)
        return output

    with observing(model, remember):
        yield addresses


@contextmanager
def planted_at(model: LoadedModel, block: int, vector: Tensor, prompts: TokenBatch) -> Iterator[None]:
    """The block adds `vector` ([hidden]) to the residual stream, at the tokens of these prompts, however a tool batches
    them.

    It is added to what the block's last module writes, at the class level, so that it is in every tensor from which the
    block's output can be read: that output, and the sum of the streams before it.
    """
    matcher = RowMatcher(known_rows(prompts, torch.zeros(len(prompts.ids), 0, dtype=torch.long), []))
    base, first, writer = map(identity_of, (model.module.base_model, model.blocks[0], contribution(model, block)))
    found, running = list[Segment](), list[tuple[Any, ...]]()

    def plant(module: nn.Module, given: Any, call: Callable[[], Any]) -> Any:
        identity = identity_of(module)
        if identity == base or (identity == first and base not in running):
            (seen,) = calls_on_cpu([call_of_model(given) if identity == base else call_of_block(given)])
            found[:] = matcher.match(seen, known_ids(model, seen, matcher.rows))
        running.append(identity)
        try:
            output = call()
        finally:
            running.pop()
        if identity != writer:
            return output
        planted = first_tensor(output).clone()
        for segment in found:
            planted[segment.place[1], segment.columns] += vector.to(planted)
        return (planted, *output[1:]) if isinstance(output, tuple) else planted

    with observing(model, plant):
        yield
