"""Deliberate disturbances of a forward pass, from the class level, for checks of ownership, failure and ground truth.

Each is a context that acts on the output or input of one block while it is open, whatever tool runs the model.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch
from steering_core.observe.forward_trace import OBSERVERS, Observer, block_inputs, first_tensor, make_traceable


class PlannedFailure(RuntimeError):
    """Raised inside a forward pass on purpose; must reach the caller as it is."""


class PlannedInterrupt(KeyboardInterrupt):
    """The same for Ctrl-C, which `except Exception` does not see."""


@contextmanager
def failing_at(model: LoadedModel, block: int, kind: type[BaseException] = PlannedFailure) -> Iterator[None]:
    """The block raises instead of computing."""

    def fail(hidden: Tensor, call: Callable[[], Any]) -> Any:
        raise kind(f"planned failure in block {block}")

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
def planted_at(model: LoadedModel, block: int, vector: Tensor, prompts: TokenBatch) -> Iterator[None]:
    """The block adds `vector` ([hidden]) to its output, at every token of the rows that hold one of the prompts: a tool
    may read them in batches of its own."""
    starts = _starts(model, prompts)
    rows: list[int] = []

    def plant(module: nn.Module, hidden: Tensor, call: Callable[[], Any]) -> Any:
        if module is model.blocks[0]:
            rows[:] = [number for number, row in enumerate(hidden) if any(_holds(row, start) for start in starts)]
        result = call()
        if module is not model.blocks[block]:
            return result
        grown = first_tensor(result).clone()
        grown[rows] += vector.to(grown)
        return (grown, *result[1:]) if isinstance(result, tuple) else grown

    with _looking_on(model, plant):
        yield


def _starts(model: LoadedModel, prompts: TokenBatch) -> list[Tensor]:
    """What block 0 receives for each prompt: [tokens, hidden], without padding."""
    received = block_inputs(model, prompts.inputs(), {0})[0]
    return [row[mask.bool()] for row, mask in zip(received, prompts.mask, strict=True)]


def _holds(row: Tensor, start: Tensor) -> bool:
    """Whether a row is the prompt and, on one side, padding."""
    count = len(start)
    return row[-count:].equal(start) or row[:count].equal(start)


@contextmanager
def _at(model: LoadedModel, block: int, act: Callable[[Tensor, Callable[[], Any]], Any]) -> Iterator[None]:
    chosen = model.blocks[block]

    def record(module: nn.Module, hidden: Tensor, call: Callable[[], Any]) -> Any:
        return act(hidden, call) if module is chosen else call()

    with _looking_on(model, record):
        yield


@contextmanager
def _looking_on(model: LoadedModel, record: Observer) -> Iterator[None]:
    make_traceable(model)
    OBSERVERS.append(record)
    try:
        yield
    finally:
        OBSERVERS.remove(record)
