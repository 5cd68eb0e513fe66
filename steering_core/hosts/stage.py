"""What an operation on a tool works with: the tool's copy of the model, and modules that no tool has touched."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from steering_core.models.model import LoadedModel
from steering_core.models.shared_copy import sharing_copy

Feeding = Literal["cache", "no-cache", "chunked"]
"""How generation gets the prompt: with a KV cache, without, or with a cache and in chunks."""
CHUNK = 7
"""Tokens per chunk of a chunked prompt: fewer than a prompt has, and not a divisor of a usual length."""


def fed(model: LoadedModel, feeding: Feeding) -> LoadedModel:
    """The model, generating that way."""
    return replace(model, use_cache=feeding != "no-cache", prefill_chunk=CHUNK if feeding == "chunked" else None)


@dataclass(eq=False)
class Stage:
    """model: what the tool reads and steers. pristine: the same weights in modules that no tool has touched.

    baseline: aspects of the process before the tool was first called; {}: of the moment before each call.
    """

    model: LoadedModel
    pristine: Any = field(default=None)
    baseline: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.pristine is None:
            self.pristine = sharing_copy(self.model.module)

    def untouched(self) -> LoadedModel:
        """The model in new modules around the same weights."""
        return replace(self.model, module=sharing_copy(self.pristine))
