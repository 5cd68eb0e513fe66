"""An experiment on the small chat model, and a tool that counts its calls."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from steering_core.measure.experiment import Experiment
from steering_core.measure.store import Store
from steering_core.models.model import LoadedModel
from steering_core.models.registry import ModelSpec
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.tests.chat_checkpoint import PROMPTS, SETTINGS
from steering_core.tools.actions import Action
from steering_core.tools.edits import Edit
from steering_core.tools.spec import find_tool
from steering_core.tools.tool import ToolVersion


def new_experiment(loaded: LoadedModel, folder: Path, **changes: Any) -> Experiment:
    """An experiment whose store is in `folder`; `changes` replaces the default arguments."""
    arguments: dict[str, Any] = {"settings": SETTINGS, "weights": "w", "prompts": PROMPTS, "batch_size": 3} | changes
    return Experiment(loaded, store=Store(folder / "store"), **arguments)


class CountingTool:
    """The hooks tool, counting its calls."""

    name = "counting"

    def __init__(self, version: str = "1") -> None:
        self.inner: Any = find_tool("hooks")
        self.reads = self.generations = 0
        self.number = version

    def version(self) -> ToolVersion:
        """The number that it was constructed with."""
        return ToolVersion("counting", self.number, "here")

    def supports(self, spec: ModelSpec, site: Site, action: Action) -> str | None:
        """As hooks."""
        reason: str | None = self.inner.supports(spec, site, action)
        return reason

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
        """As hooks."""
        self.reads += 1
        return dict(self.inner.read(model, batch, sites))

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        """As hooks."""
        self.generations += 1
        ids: Tensor = self.inner.generate(model, batch, edits, max_new_tokens)
        return ids
