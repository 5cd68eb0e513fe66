"""Exact arithmetic for the duration of a run: operators registered through `torch.library`, and removed afterwards."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from steering_core.errors import UsageProblem
from steering_core.exact.cpu import CpuRecipes, elementwise
from steering_core.exact.operators import operators
from steering_core.models.model import LoadedModel

ACTIVE: set[str] = set()
"""Kinds of devices whose arithmetic is exact now."""


@contextmanager
def exact_arithmetic(model: LoadedModel) -> Iterator[None]:
    """Within it, a row of a batch is computed as if it were alone, bit for bit, on the kind of device of the model.

    It holds for the whole process, so hooks and other libraries need to know nothing of it. Nested uses are one.
    UsageProblem without Triton on a GPU. `first_difference` tells whether a model keeps to it.
    """
    kind = model.device.type
    if kind in ACTIVE:
        yield
        return
    chosen, threads = implementations(kind), torch.get_num_threads()
    library = torch.library.Library("aten", "IMPL")
    try:
        ACTIVE.add(kind)
        _register(library, chosen, kind.upper())
        if kind == "cpu":
            torch.set_num_threads(1)
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        library._destroy()
        torch.set_num_threads(threads)
        ACTIVE.discard(kind)


def implementations(kind: str) -> dict[str, Callable[..., Tensor]]:
    """{name of an operator: its implementation} on a kind of device."""
    if kind == "cpu":
        return {**operators(CpuRecipes()), **elementwise()}
    try:
        from steering_core.exact.cuda import CudaRecipes
    except ImportError as error:
        sentence = f"exact arithmetic on {kind} needs Triton: {error}"
        raise UsageProblem("exact", sentence, "a build of torch for CUDA, or run on the CPU") from None
    return operators(CudaRecipes())


def _register(library: Any, chosen: dict[str, Callable[..., Tensor]], key: str) -> None:
    # PyTorch's own kernels are overridden, of which it warns; some of them are Python, and older releases refuse those.
    allowed = {"allow_override": True} if "allow_override" in signature(library.impl).parameters else {}
    with warnings.catch_warnings(action="ignore"):
        for name, operator in chosen.items():
            library.impl(name, operator, key, **allowed)
