"""What a check of one model needs of others: measured on each of them alone, once, and kept in the run directory."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from parity.plugin.arguments import Experiment
from parity.plugin.model_cache import ModelCache, load_request
from steering_core.records.record import Cell

if TYPE_CHECKING:
    from torch import Tensor

FROM, AFTER, BESIDE = "from:", "after:", "beside:"
"""In the variant of a cell, before the key of the model that a direction is taken from, of an earlier tuning stage, and of a model
that the cell's own is compared with."""


def keys_after(word: str, cells: Iterable[Cell], model: str) -> list[str]:
    """The keys after a word in the variants of the cells of one model."""
    variants = (cell.variant or "" for cell in cells if cell.model == model)
    return [variant.removeprefix(word) for variant in variants if variant.startswith(word)]


class OtherModels:
    """cache: loads them. measure: what is kept of each. about: everything that it depends on beside the model. Two workers may
    measure the same model; they keep the same."""

    def __init__(self, cache: ModelCache, measure: "Callable[[Experiment], Tensor]", about: Mapping[str, Any]) -> None:
        self.cache, self.measure, self.about = cache, measure, about

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Those of which nothing is kept."""
        return [key for key in keys if self.cache.store.find(self._key(key)) is None]

    def keep(self, current: str, keys: Collection[str]) -> None:
        """Measure some models. current: that of the check, which is measured as it is loaded for it; it is let go while
        another one is measured."""
        for key in sorted(keys, key=lambda key: key != current):
            own = key == current
            value = (
                self.measure(self.cache.measurements(key).experiment) if own else self.cache.alone(key, self.measure)
            )
            self._put(key, value)

    def kept(self, key: str) -> "Tensor":
        """What is kept of a model."""
        value: Tensor | None = self.cache.store.find(self._key(key))
        assert value is not None, f"nothing is kept of {key}"
        return value

    def weights(self, key: str) -> str:
        """The digest of the weights that were measured."""
        digest: str = self._request(key).digest()
        return digest

    def _put(self, key: str, value: "Tensor") -> None:
        self.cache.store.get(self._key(key), lambda: value)

    def _request(self, key: str) -> Any:
        return load_request(self.cache.config, self.cache.matrix, key)

    def _key(self, key: str) -> dict[str, Any]:
        """Everything that can change the value, known without loading the model."""
        from steering_core.records.provenance import environment, source_digest

        machine = {name: environment()[name] for name in ("gpu", "torch", "transformers")}
        return {
            **{"model": key, "weights": self.weights(key), "request": repr(replace(self._request(key), device=""))},
            **{"settings": repr(self.cache.matrix.settings[key])},
            **{"batch_size": self.cache.config.getoption("batch_size"), **machine, "suite": source_digest()},
            **self.about,
        }
