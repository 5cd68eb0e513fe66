"""Memory that a tool keeps: what grows with every call, and what does not."""

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from steering_core.observe.kept_memory import growing_memory
from steering_core.observe.process_state import is_frozen


def kept_each_time() -> Callable[[], None]:
    kept: list[torch.Tensor] = []
    return lambda: kept.append(torch.zeros(10, 20))


def filled_once() -> Callable[[], None]:
    cache: dict[str, torch.Tensor] = {}
    return lambda: cache.update({"mask": torch.zeros(10, 20)})


def in_cycles() -> Callable[[], None]:
    def act() -> None:
        cycle: list[Any] = [torch.zeros(10, 20)]
        cycle.append(cycle)

    return act


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """A run of checks in this process may have frozen its objects."""
    before = is_frozen()
    gc.unfreeze()
    yield
    if before:
        gc.freeze()


@pytest.fixture
def frozen(thawed: None) -> Iterator[None]:
    """A process that has frozen its objects, as one that forks others does."""
    gc.freeze()
    yield
    gc.unfreeze()


def test_memory_that_grows_with_every_call_is_found() -> None:
    expected = "grows with every call: tensors kept after one 1, after two 2 (0.00153 MiB)"  # 2 x 10 x 20 x 4 bytes
    assert growing_memory(kept_each_time()) == expected
    assert gc.get_freeze_count() == 0


@pytest.mark.usefixtures("frozen")
def test_memory_is_measured_in_a_frozen_process_too() -> None:
    assert growing_memory(kept_each_time())
    assert gc.get_freeze_count() > 0


def test_a_process_is_frozen_until_it_is_thawed() -> None:
    states = [is_frozen()]
    for change in (gc.freeze, gc.unfreeze):
        change()
        states.append(is_frozen())

    assert states == [False, True, False]


@pytest.mark.parametrize("tool", [filled_once, in_cycles])
def test_a_cache_and_garbage_are_no_growth(tool: Callable[[], Callable[[], None]]) -> None:
    assert growing_memory(tool()) == ""
