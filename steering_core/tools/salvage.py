"""From whatever a tool returned to a plain tensor that can be measured, with what was wrong about it.

Nothing here raises but on Ctrl-C. Where a value's own code has to run (a mapping that is no dict, a tensor subclass),
it runs inside `attempt`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

Result = TypeVar("Result")
TENSOR = "a torch.Tensor"
OWN_COPY = "a copy with memory of its own"
LONGEST = 60
"""Characters of a class name in a sentence."""


class Fault(NamedTuple):
    """`a numpy array`, and `a torch.Tensor` that is needed instead."""

    returned: str
    needed: str


def neutral() -> AbstractContextManager[Any]:
    """Plain tensor arithmetic, whatever mode the tool has left on: no code of tensor subclasses, no gradients, no inference mode."""
    stack = ExitStack()
    stack.enter_context(torch._C.DisableTorchFunction())
    stack.enter_context(torch.inference_mode(False))
    stack.enter_context(torch.no_grad())
    return stack


def attempt(work: Callable[[], Result]) -> Result | None:
    """The result; None if the work raised: the value that it touches may be of any class."""
    try:
        return work()
    except KeyboardInterrupt:
        raise
    except BaseException:
        return None


def name_of(value: object) -> str:
    """`None`, `a list`, `a numpy array`, `an Answer`: the value's class, read without running code of the value."""
    kind = type(value)
    if value is None:
        return "None"
    if issubclass(kind, np.ndarray):
        return "a numpy array"
    name = "".join(filter(str.isprintable, type.__dict__["__name__"].__get__(kind)))[:LONGEST]
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def as_tensor(value: object) -> tuple[Tensor | None, list[Fault]]:
    """A plain, dense tensor with the value's entries, on its device and in its dtype, without gradient history; None if
    there are no entries to be had."""
    faults = [Fault(name_of(value), TENSOR)] if type(value) is not Tensor else []
    tensor = attempt(lambda: _converted(value))
    if tensor is not None:
        tensor = attempt(partial(_plain, tensor, faults))
    if tensor is None and not faults:
        faults.append(Fault("a tensor whose entries cannot be read", "a dense tensor"))
    return tensor, faults


def _converted(value: object) -> Tensor | None:
    kind = type(value)
    if issubclass(kind, Tensor):
        return value if kind is Tensor else Tensor.as_subclass(value, Tensor)  # type: ignore[arg-type, return-value]
    if issubclass(kind, np.ndarray):
        return torch.from_numpy(np.array(value, copy=True))
    if issubclass(kind, list | tuple):
        entries = entries_of(value)
        inner = next((entry for entry in entries if type(entry) is Tensor), None)
        return torch.tensor(entries) if inner is None else inner
    return None


def entries_of(value: object) -> list[object]:
    """The entries of a list or tuple, not as a subclass would like to show them; of anything else, none."""
    kind = type(value)
    base: Any = list if issubclass(kind, list) else tuple
    return list(base.__iter__(value)) if issubclass(kind, list | tuple) else []


def _plain(tensor: Tensor, faults: list[Fault]) -> Tensor | None:
    """The tensor, dense, detached and readable; what had to be changed is added to `faults`."""
    if tensor.requires_grad:
        faults.append(Fault("a tensor with gradient history (requires_grad)", "a detached one"))
        tensor = tensor.detach()
    if tensor.is_nested or tensor.is_quantized or tensor.layout is not torch.strided:
        kind = "nested" if tensor.is_nested else "quantized" if tensor.is_quantized else str(tensor.layout)
        faults.append(Fault(f"a tensor that is {kind.removeprefix('torch.')}", "a dense tensor"))
        tensor = tensor.dequantize() if tensor.is_quantized else tensor.to_dense()
    if tensor.is_meta or tensor.untyped_storage().nbytes() < _bytes_spanned(tensor):
        faults.append(Fault("a tensor without values (meta, or its memory was freed)", "a tensor with values"))
        return None
    if tensor.is_inference():
        faults.append(Fault("an inference tensor", "a tensor made outside of inference_mode"))
        tensor = tensor.clone()
    if faults:  # a wrapper whose entries are gone fails here, not in a check; a plain tensor waits for no GPU
        tensor.reshape(-1)[:1].tolist()
    return tensor


def _bytes_spanned(tensor: Tensor) -> int:
    """From the beginning of the storage to the tensor's last entry."""
    if not tensor.numel():
        return 0
    last: int = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return int((tensor.storage_offset() + last + 1) * tensor.element_size())


class Storages:
    """The memory of every value that a tool has returned so far; holds none of it alive."""

    def __init__(self) -> None:
        self._addresses: dict[StorageWeakRef, int] = {}

    def owned(self, tensor: Tensor) -> tuple[Tensor, list[Fault]]:
        """The tensor, or a copy if its memory is larger than it, shared between its entries, or that of another value."""
        own, held = tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes()
        faults = []
        if held > own:
            faults.append(Fault(f"a view that keeps {held} bytes of memory alive for {own} of its own", OWN_COPY))
        if held < own:
            faults.append(Fault("a tensor whose entries share memory (expanded)", OWN_COPY))
        if own and self._seen(tensor.untyped_storage()):
            faults.append(Fault("memory that it returned before", OWN_COPY))
        return (tensor.clone(memory_format=torch.contiguous_format) if faults else tensor), faults

    def _seen(self, storage: torch.UntypedStorage) -> bool:
        """Whether this memory was returned before and is still in use; remembers it."""
        self._addresses = {seen: address for seen, address in self._addresses.items() if not seen.expired()}
        reference, address = StorageWeakRef(storage), storage.data_ptr()
        seen = reference in self._addresses or address in self._addresses.values()
        self._addresses[reference] = address
        return seen
