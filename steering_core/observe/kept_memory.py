"""What outlives a call unseen: tensors that are kept, more with every call, and text that was printed."""

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch

from steering_core.observe.process_state import is_frozen

MIB = 2**20


def growing_memory(act: Callable[[], object]) -> str:
    """What every further call keeps alive, in words; "" if nothing. Two calls are made, after one or more before them.

    A cache that is filled by the first call, or by the second, stops growing; what grows with both is kept per call.
    """
    with _new_objects_only():
        device = _allocated()
        act()
        first = _live_tensors()
        device_first = _allocated()
        act()
        second = _live_tensors()
        device_second = _allocated()
    if 0 < len(first) < len(second):
        size = sum(second.values()) / MIB
        return f"grows with every call: tensors kept after one {len(first)}, after two {len(second)} ({size:.3g} MiB)"
    if device < device_first < device_second:
        return f"grows with every call: {(device_second - device_first) / MIB:.3g} MiB more on the GPU after each"
    return ""


@contextmanager
def _new_objects_only() -> Iterator[None]:
    """The collector sees only objects made from here on, so that listing them is cheap.

    A process that froze its objects before (one forked from a server) keeps them frozen: thawed, their pages would be
    copied. What is alive here is frozen with them.
    """
    thaw = not is_frozen()
    if not thaw:
        gc.collect()  # of few objects; what is garbage must not be frozen
    gc.freeze()
    try:
        yield
    finally:
        if thaw:
            gc.unfreeze()


def _live_tensors() -> dict[int, int]:
    """Each storage that a tensor made since holds -> its bytes."""
    gc.collect()
    found = {}
    for each in gc.get_objects():
        if issubclass(type(each), torch.Tensor):
            with suppress(NotImplementedError, RuntimeError):  # some kinds have no storage
                storage = each.untyped_storage()
                found[storage._cdata] = storage.nbytes()
    return found


def _allocated() -> int:
    return torch.cuda.memory_allocated() if torch.cuda.is_available() and torch.cuda.is_initialized() else 0


@contextmanager
def printed() -> Iterator[list[int]]:
    """The lengths of what is written to `sys.stdout` inside, added as it happens. The stream itself stays in place."""
    lengths: list[int] = []
    stream: Any = sys.stdout
    own = vars(stream).get("write")
    write = stream.write

    def counting(text: str) -> Any:
        lengths.append(len(text))
        return write(text)

    stream.write = counting
    try:
        yield lengths
    finally:
        del stream.write
        if own is not None:
            stream.write = own
