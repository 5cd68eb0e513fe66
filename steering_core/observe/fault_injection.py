"""Deliberate disturbances of a forward pass, for checks of ownership, failure and ground truth.

Each is a context that acts on the input or output of one block while it is open, whatever tool runs the model.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch
from steering_core.observe.forward_trace import block_inputs, first_tensor, observing


class PlannedFailure(RuntimeError):
    """Raised inside a forward pass on purpose; must reach the caller unchanged."""


class PlannedInterrupt(KeyboardInterrupt):
    """The same for Ctrl-C, which `except Exception` does not catch."""


@contextmanager
def failing_at(model: LoadedModel, block: int, kind: type[BaseException] = PlannedFailure) -> Iterator[None]:
    """The block raises instead of computing."""

    def fail(module: nn.Module, hidden: Tensor, call: Callable[[], Any]) -> Any:
        if module is model.blocks[block]:
            raise kind(f"planned failure in block {block}")
        return call()

    with observing(model, fail):
        yield


@contextmanager
def overwriting_at(model: LoadedModel, block: int) -> Iterator[None]:
    """The block zeroes its input in place after using it, as fused kernels and in-place residual adds do: a reference
    to the output of the block before it no longer holds that output."""

    def overwrite(module: nn.Module, hidden: Tensor, call: Callable[[], Any]) -> Any:
        output = call()
        if module is model.blocks[block]:
            hidden.zero_()
        return output

    with observing(model, overwrite):
        yield


@contextmanager
def planted_at(model: LoadedModel, block: int, vector: Tensor, prompts: TokenBatch) -> Iterator[None]:
    """The block adds `vector` ([hidden]) to its output, at every token of the rows that hold one of the prompts,
    however a tool batches them."""
    embedded = block_inputs(model, prompts.inputs(), {0})[0]
    starts = [row[mask.bool()] for row, mask in zip(embedded, prompts.mask, strict=True)]
    rows: list[int] = []

    def plant(module: nn.Module, hidden: Tensor, call: Callable[[], Any]) -> Any:
        if module is model.blocks[0]:
            rows[:] = [number for number, row in enumerate(hidden) if any(_holds(row, start) for start in starts)]
        output = call()
        if module is not model.blocks[block]:
            return output
        planted = first_tensor(output).clone()
        planted[rows] += vector.to(planted)
        return (planted, *output[1:]) if isinstance(output, tuple) else planted

    with observing(model, plant):
        yield


def _holds(row: Tensor, start: Tensor) -> bool:
    """Whether a row is the prompt with padding on one side."""
    return row[-len(start) :].equal(start) or row[: len(start)].equal(start)
