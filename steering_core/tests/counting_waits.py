"""Counts what would wait for a GPU, on a machine without one."""

from collections.abc import Callable
from typing import Any

import pytest
from torch import Tensor


def counted_waits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the calls that take a tensor from a GPU, as they are made; each of them waits for it."""
    waits: list[str] = []
    for name in ("cpu", "to"):
        monkeypatch.setattr(Tensor, name, _counted(waits, name, getattr(Tensor, name)))
    return waits


def _counted(waits: list[str], name: str, real: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(*args: Any, **options: Any) -> Tensor:
        if name == "cpu" or any(each == "cpu" for each in args[1:] if isinstance(each, str)):
            waits.append(name)
        return real(*args, **options)

    return call
