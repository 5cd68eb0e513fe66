"""A tool whose every answer goes through the contract (P0): what can be measured is passed on, and breaches are kept."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from steering_core.errors import EmptyMeasurement
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.tools.contract import Storages, checked_direction, checked_ids, checked_read
from steering_core.tools.edits import Edit


class CheckedTool:
    """inner: the tool. breaches: one sentence for each breach so far. storages: those that the tool has returned."""

    def __init__(self, inner: Any, storages: Storages) -> None:
        self.inner, self.storages = inner, storages
        self.breaches: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
        """{site: what the tool returned}; EmptyMeasurement for a site without a usable value."""
        answer = self.inner.read(model, batch, list(sites))
        kept, breaches = checked_read(answer, model, batch, sites, self.storages)
        self.breaches += breaches
        if len(kept) < len(set(sites)):
            raise EmptyMeasurement("tool-contract", breaches[-1], "see P0")
        return kept

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        """The ids that the tool returned, padded after each row's end; EmptyMeasurement if they are none."""
        answer = self.inner.generate(model, batch, list(edits), max_new_tokens)
        ids, breaches = checked_ids(answer, model, batch, max_new_tokens)
        self.breaches += breaches
        if ids is None:
            raise EmptyMeasurement("tool-contract", breaches[-1], "see P0")
        return ids

    def direction(self, model: LoadedModel, harmful: TokenBatch, harmless: TokenBatch, site: Site) -> Tensor:
        """The tool's own direction, float32 [hidden] on the CPU; EmptyMeasurement if it is none."""
        answer = self.inner.direction(model, harmful, harmless, site)
        direction, breaches = checked_direction(answer, model)
        self.breaches += breaches
        if direction is None:
            raise EmptyMeasurement("tool-contract", breaches[-1], "see P0")
        return direction
