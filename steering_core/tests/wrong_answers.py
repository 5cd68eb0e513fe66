"""Wrong answers to a read of one site, each with the sentence that it gets and what is kept of it."""

from collections import UserDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from steering_core.tests.random_models import prompts

BATCH = prompts(3)
SHAPE = (*BATCH.ids.shape, 48)


def hidden(shape: tuple[int, ...] = SHAPE, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Labeled(Tensor):
    """A subclass that objects to every operation."""

    @classmethod
    def __torch_function__(cls, *arguments: Any, **named: Any) -> Any:
        raise SystemExit("no")


def refuse(*_: object) -> Any:
    raise RuntimeError("no")


class Hostile:
    """Nothing works on it."""

    __getattribute__ = __repr__ = __str__ = __eq__ = __hash__ = __iter__ = __len__ = __bool__ = refuse  # type: ignore


class Quits(UserDict[Any, Any]):
    """A mapping that ends the process when it is read."""

    def items(self) -> Any:
        raise SystemExit


class HostileMeta(type):
    """Not even its class has a name."""

    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError("no")


class Unnamed(metaclass=HostileMeta):
    """See `HostileMeta`."""


def inference() -> Tensor:
    with torch.inference_mode():
        return hidden().clone()


def forever() -> Iterator[int]:
    while True:
        yield 1


def objects() -> Any:
    array = np.empty(1, dtype=object)
    array[0] = Hostile()
    return array


def freed() -> Tensor:
    tensor = hidden()
    tensor.untyped_storage().resize_(0)
    return tensor


def cut() -> Tensor:
    """Only the memory of the last entry is gone."""
    tensor = hidden()
    tensor.untyped_storage().resize_(tensor.untyped_storage().nbytes() - 1)
    return tensor


@dataclass(frozen=True)
class Wrong:
    """A value for one site, the sentence that it gets, and what is kept of it."""

    build: Callable[[], Any]
    sentence: str
    kept: Callable[[], Tensor | None] = hidden


WRONG = {
    "numpy": Wrong(
        lambda: hidden().numpy(), "read() returned a numpy array for resid_post@1; a torch.Tensor is needed"
    ),
    "list": Wrong(lambda: hidden().tolist(), "read() returned a list for resid_post@1; a torch.Tensor is needed"),
    "tuple": Wrong(lambda: (hidden(), None), "read() returned a tuple for resid_post@1; a torch.Tensor is needed"),
    "none": Wrong(lambda: None, "read() returned None for resid_post@1; a torch.Tensor is needed", lambda: None),
    "number": Wrong(lambda: 3.0, "read() returned a float for resid_post@1", lambda: None),
    "generator": Wrong(forever, "read() returned a generator for resid_post@1", lambda: None),
    "hostile": Wrong(Hostile, "read() returned a Hostile for resid_post@1", lambda: None),
    "unnamed": Wrong(Unnamed, "read() returned an Unnamed for resid_post@1", lambda: None),
    "objects": Wrong(objects, "read() returned a numpy array", lambda: None),
    "hostile list": Wrong(lambda: [Hostile()], "read() returned a list", lambda: None),
    "subclass": Wrong(lambda: hidden().as_subclass(Labeled), "read() returned a Labeled for resid_post@1; a torch."),
    "parameter": Wrong(lambda: torch.nn.Parameter(hidden()), "read() returned a Parameter for resid_post@1"),
    "gradient": Wrong(
        lambda: hidden().requires_grad_() * 1,
        "read() returned a tensor with gradient history (requires_grad) for resid_post@1; a detached one is needed",
    ),
    "inference": Wrong(inference, "read() returned an inference tensor for resid_post@1; a tensor made outside of"),
    "sparse": Wrong(lambda: hidden().to_sparse(), "read() returned a tensor that is sparse_coo for resid_post@1"),
    "quantized": Wrong(
        lambda: torch.quantize_per_tensor(torch.zeros(SHAPE), 0.1, 0, torch.qint8),
        "read() returned a tensor that is quantized for resid_post@1; a dense tensor is needed",
        lambda: torch.zeros(SHAPE),
    ),
    "meta": Wrong(lambda: hidden().to("meta"), "read() returned a tensor without values (meta", lambda: None),
    "freed": Wrong(freed, "read() returned a tensor without values (meta, or its memory was freed)", lambda: None),
    "cut": Wrong(cut, "read() returned a tensor without values (meta, or its memory was freed)", lambda: None),
    "shape": Wrong(
        lambda: hidden()[0].clone(),
        "read() returned shape [9, 48] for resid_post@1; [batch, seq, width] = [3, 9, 48] is needed",
        lambda: hidden()[0],
    ),
    "dtype": Wrong(
        lambda: hidden().double(),
        "read() returned float64 values for resid_post@1; the model's float32 is needed",
        lambda: hidden().double(),
    ),
    "view": Wrong(
        lambda: hidden((4, *SHAPE))[2],
        "read() returned a view that keeps 20736 bytes of memory alive for 5184 of its own for resid_post@1; a copy with",
        lambda: hidden((4, *SHAPE))[2],
    ),
    "expanded": Wrong(
        lambda: hidden((1, *SHAPE[1:])).expand(SHAPE),
        "read() returned a tensor whose entries share memory (expanded) for resid_post@1; a copy with memory of its own",
        lambda: hidden((1, *SHAPE[1:])).expand(SHAPE),
    ),
}
