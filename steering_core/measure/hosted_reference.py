"""The reference as a tool, so that processes of its own can generate its answers."""

from collections.abc import Sequence
from importlib.metadata import version

import torch
from torch import Tensor

from steering_core.measure import reference
from steering_core.models.model import LoadedModel
from steering_core.models.registry import ModelSpec
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.tools.actions import Action
from steering_core.tools.edits import Edit
from steering_core.tools.tool import ToolVersion

SPEC = f"{__name__}:Reference"
"""What names it."""


class Reference:
    """Generates as the reference does, and reads nothing."""

    name = "reference"

    def version(self) -> ToolVersion:
        """That of PyTorch."""
        return ToolVersion("torch", version("torch"), str(torch.__file__))

    def supports(self, spec: ModelSpec, site: Site, action: Action) -> str | None:
        """It is asked for generation only."""
        return "the reference reads nothing" if action == "read" else None

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        """New token ids, int64 [batch, <= max_new_tokens]."""
        return reference.generate(model, batch, edits, max_new_tokens)
