"""Deliberate disturbances of a forward pass, from the class level, for checks of ownership, failure and ground truth.

Each is a context that acts on the output or input of one block while it is open, whatever tool runs the model.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from steering_core.models import LoadedModel
from steering_core.witness import WATCHING, post_witness


class PlannedFailure(RuntimeError):
    """Raised inside a forward pass on purpose; must reach the caller as it is."""


@contextmanager
def failing_at(model: LoadedModel, block: int) -> Iterator[None]:
    """The block raises PlannedFailure instead of computing."""

    def fail(hidden: Tensor, call: Callable[[], Any]) -> Any:
        raise PlannedFailure(f"planned failure in block {block}")

    with _at(model, block, fail):
        yield


@contextmanager
def overwriting_at(model: LoadedModel, block: int) -> Iterator[None]:
    """The block zeroes its own input in place after using it, as fused kernels and in-place residual adds do: a
    reference to the output of the block before it is no longer what it was."""

    def overwrite(hidden: Tensor, call: Callable[[], Any]) -> Any:
        result = call()
        hidden.zero_()
        return result

    with _at(model, block, overwrite):
        yield


@contextmanager
def planted_at(model: LoadedModel, block: int, vector: Tensor, rows: slice) -> Iterator[None]:
    """The block adds `vector` ([hidden]) to its output, at every token of the given batch rows."""

    def plant(hidden: Tensor, call: Callable[[], Any]) -> Any:
        result = call()
        first = result[0] if isinstance(result, tuple) else result
        grown = first.clone()
        grown[rows] += vector.to(first)
        return (grown, *result[1:]) if isinstance(result, tuple) else grown

    with _at(model, block, plant):
        yield


@contextmanager
def _at(model: LoadedModel, block: int, act: Callable[[Tensor, Callable[[], Any]], Any]) -> Iterator[None]:
    post_witness(model)
    chosen = model.blocks[block]

    def record(module: nn.Module, hidden: Tensor, call: Callable[[], Any]) -> Any:
        return act(hidden, call) if module is chosen else call()

    WATCHING.append(record)
    try:
        yield
    finally:
        WATCHING.remove(record)
