"""One cycle: extraction, direction, steered generation, for one (model, tool, repeat); each step is computed on demand
and kept in the store under everything that can change it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from steering_core.compare import unit
from steering_core.directions import difference_of_means
from steering_core.errors import EmptyMeasurement
from steering_core.measure import reference
from steering_core.measure.fresh_process import FreshProcess
from steering_core.measure.store import Store, digest
from steering_core.models.model import LoadedModel
from steering_core.models.registry import Settings
from steering_core.models.shared_copy import sharing_copy
from steering_core.models.sites import Site
from steering_core.models.tokens import Side, TokenBatch, encode
from steering_core.observe.forward_trace import block_inputs, make_traceable
from steering_core.prompts import PromptSet
from steering_core.records.provenance import environment, source_digest
from steering_core.records.record import Arm
from steering_core.tools.edits import Edit, steering_edits
from steering_core.tools.tool import Tool


@dataclass(eq=False)
class Experiment:
    """What one model is measured with.

    weights: digest of the loaded weights. batch_size: evaluation prompts per forward. seeds: of the preset, one per
    repeat; decoding is greedy, so the first serves all.
    """

    model: LoadedModel
    settings: Settings
    prompts: PromptSet
    store: Store
    weights: str
    batch_size: int = 30
    seeds: tuple[int, ...] = (42,)
    fresh: FreshProcess | None = None
    batches: dict[tuple[tuple[str, ...], Side], TokenBatch] = field(default_factory=dict)
    captures: dict[tuple[str, ...], dict[Site, Tensor]] = field(default_factory=dict)
    truths: dict[str, dict[int, Tensor]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        make_traceable(self.model)
        self.pristine = sharing_copy(self.model.module)

    @property
    def site(self) -> Site:
        """Where directions are read: the output of the tested block."""
        return Site("resid_post", self.settings.layer)

    def batch(self, prompts: Sequence[str], side: Side = "left") -> TokenBatch:
        """Prompts as one padded batch on the model's device, encoded once."""
        key = (tuple(prompts), side)
        if key not in self.batches:
            self.batches[key] = encode(self.model.tokenizer, prompts, side).to(self.model.device)
        return self.batches[key]

    @cached_property
    def extraction(self) -> TokenBatch:
        """The harmful prompts, then the harmless ones."""
        return self.batch(self.prompts.extraction)

    def direction(self, tool: Tool, repeat: int) -> Tensor:
        """Raw direction of one repeat: float32 [hidden]; the last repeat comes from a fresh process."""
        key = self.direction_key(tool, repeat)
        if self.fresh and repeat == self.fresh.request.repeat:
            return self._left_by(self.fresh, key, tool)
        return self.store.get(key, lambda: self.extract(tool))

    def extract(self, tool: Tool) -> Tensor:
        """Difference of means over the tool's last-token rows: float32 [hidden]; or the tool's own method, if it has
        one: `direction(model, harmful, harmless, site)`."""
        if own := getattr(tool, "direction", None):
            harmful, harmless = self.batch(self.prompts.harmful), self.batch(self.prompts.harmless)
            made: Tensor = own(self.model, harmful, harmless, self.site)
            return made.float().cpu()
        return self._difference(tool.read(self.model, self.extraction, [self.site])[self.site])

    def true_direction(self) -> Tensor:
        """Raw difference of means from what the next block received: no tool involved."""
        return self._difference(self.truth(self.extraction)[self.settings.layer + 1])

    def _difference(self, hidden: Tensor) -> Tensor:
        """hidden: [2 * pairs, seq, hidden] of the extraction batch, harmful rows first."""
        rows = self.extraction.at_last(hidden).float().cpu()
        pairs = len(self.prompts.harmful)
        return difference_of_means(rows[:pairs], rows[pairs:])

    def direction_key(self, tool: Tool, repeat: int) -> dict[str, Any]:
        """Everything that can change the extracted direction."""
        return {
            **self.base_key(), "what": "direction", **identity(tool),
            "site": str(self.site), "tokens": self.extraction.digest, "repeat": repeat,
        }  # fmt: skip

    def _left_by(self, fresh: FreshProcess, key: dict[str, Any], tool: Tool) -> Tensor:
        fresh.wait()
        found = self.store.find(key)
        if found is None:
            raise EmptyMeasurement(
                "fresh-process", f"the fresh process left no direction of {tool.name}: {fresh.said(tool.name)}",
                "the tool must also work in a new interpreter",
            )  # fmt: skip
        return found

    def read(self, tool: Tool, batch: TokenBatch) -> dict[Site, Tensor]:
        """The tool's captures that preflight needs, in one forward; read once per tool and batch."""
        key = (*identity(tool).values(), batch.digest)
        if key not in self.captures:
            self.captures[key] = tool.read(self.model, batch, self.preflight_sites)
        return self.captures[key]

    @cached_property
    def preflight_sites(self) -> list[Site]:
        """The tested site, what it is the sum of, and the output of the last block."""
        layer = self.settings.layer
        parts = [Site(stream, layer) for stream in ("resid_pre", "attn_contrib", "mlp_contrib", "resid_post")]
        last = Site("resid_post", self.model.spec.layers - 1)
        return parts if last in parts else [*parts, last]

    def truth(self, batch: TokenBatch) -> dict[int, Tensor]:
        """What the blocks after the tested and the last one really received, by the independent witness."""
        if batch.digest not in self.truths:
            wanted = {site.layer + 1 for site in self.preflight_sites if site.stream == "resid_post"}
            self.truths[batch.digest] = block_inputs(self.model, batch.inputs(), wanted)
        return self.truths[batch.digest]

    def edits(self, direction: Tensor) -> list[Edit]:
        """The preset's steering along a raw direction: the unit vector at the preset's strength and blocks."""
        return steering_edits(unit(direction).float(), self.settings.strength, self.settings.blocks)

    def localized(self, batch: TokenBatch, asked: Site, returned: Tensor) -> str:
        """Which tensor a tool returned instead of the asked one, in words."""
        from steering_core.localize import localize

        return localize(self.model, batch, asked, returned).sentence

    def answers(self, tool: Tool, direction: Tensor, repeat: int, arm: Arm) -> Tensor:
        """Steered answers to the evaluation prompts: int64 [prompts, <= max_new_tokens]."""
        if arm == "reference":
            return self.reference_answers(direction, repeat)
        key = {"what": "answers", **identity(tool), "direction": digest(direction), "repeat": repeat}
        return self._generate(key, self.prompts.evaluation, tool.generate, self.edits(direction))

    def reference_answers(self, direction: Tensor, draw: int) -> Tensor:
        """Answers steered by the reference along any raw direction; `draw` tells repetitions apart."""
        key = {"what": "answers", "tool": "reference", "direction": digest(direction), "repeat": draw}
        return self._generate(key, self.prompts.evaluation, reference.generate, self.edits(direction))

    def digest(self, ids: Tensor) -> str:
        """sha256 of generated ids: equal for token-identical answers."""
        return digest(ids)

    def plain_answers(self, prompts: Sequence[str]) -> Tensor:
        """Unsteered answers by the reference: int64 [prompts, <= max_new_tokens]."""
        return self._generate({"what": "plain"}, prompts, reference.generate, [])

    def _generate(self, key: dict[str, Any], prompts: Sequence[str], generate: Any, edits: Sequence[Edit]) -> Tensor:
        full = {**self.base_key(), **key, "strength": self.settings.strength, "blocks": self.settings.blocks,
                "prompts": self.batch(prompts).digest, "batch_size": self.batch_size,
                "new": self.settings.max_new_tokens, "defaults": self.settings.inherit_generation_defaults}  # fmt: skip
        return self.store.get(full, lambda: self._in_batches(prompts, generate, edits))

    def _in_batches(self, prompts: Sequence[str], generate: Any, edits: Sequence[Edit]) -> Tensor:
        seed = self.seeds[0]
        made = []
        for start in range(0, len(prompts), self.batch_size):
            torch.manual_seed(seed)
            batch = self.batch(prompts[start : start + self.batch_size])
            made.append(generate(self.model, batch, edits, self.settings.max_new_tokens).cpu())
            check_rows(made[-1], len(batch.ids))
        width = max(chunk.shape[1] for chunk in made)
        padding = self.model.decoding(1).pad_token_id or 0
        return torch.cat([torch.nn.functional.pad(chunk, (0, width - chunk.shape[1]), value=padding) for chunk in made])

    def base_key(self) -> dict[str, Any]:
        """What every measurement of this model depends on."""
        here = environment()
        return {
            "model": self.model.spec.key, "weights": self.weights, "dtype": str(self.model.dtype),
            "quantize": self.model.quantize,
            "device": self.model.device.type, "gpu": here["gpu"], "torch": here["torch"],
            "transformers": here["transformers"], "attention": self.model.module.config._attn_implementation,
            "suite": source_digest(),
        }  # fmt: skip

    def provenance(self) -> dict[str, Any]:
        """Everything a record says about where its numbers came from (PROTOCOL section 6)."""
        model, settings = self.model, self.settings
        return {
            **environment(), **self.base_key(), "model_id": model.spec.source, "origin": model.origin,
            "revision": model.revision, "token_ids": self.extraction.digest, "preset": settings.preset,
            "site": str(self.site), "position": "last real token", "padding_side": self.extraction.side,
            "batch_shape": list(self.extraction.ids.shape), "operation": "add", "blocks": list(settings.blocks),
            "phase": "both", "coefficient": settings.strength, "unit_direction": True,
            "generation_config": _plain(model.decoding(settings.max_new_tokens).to_dict()),
            "classifier": "strict-v2", "seeds": list(self.seeds), "prompts": self.prompts.digest,
            "prompts_file": self.prompts.name, "prompt_warnings": self.prompts.warnings(),
        }  # fmt: skip


def identity(tool: Tool) -> dict[str, str]:
    """Whose measurement it is: neither two tools of one name nor two versions of one tool are taken for each other."""
    made_by = f"{type(tool).__module__}:{type(tool).__qualname__}"
    return {"tool": tool.name, "class": made_by, "version": str(tool.version())}


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in config.items()
        if value is None or isinstance(value, bool | int | float | str | list)
    }


def check_rows(ids: Tensor, prompts: int) -> None:
    """EmptyMeasurement unless there is one answer per prompt."""
    if len(ids) != prompts:
        raise EmptyMeasurement(
            "rows-lost",
            f"{len(ids)} answers came back for {prompts} prompts",
            "expected int64 [batch, new], row by row",
        )
