"""Real defects of nnsight and pyvene: tools that use the installed library the way that goes wrong."""

from collections.abc import Sequence
from typing import Any

import nnsight
import pyvene
import torch
from torch import Tensor

from fixtures.faults.base import Unchanged
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.tools.adapters.nnsight import Nnsight
from steering_core.tools.adapters.pyvene import Pyvene
from steering_core.tools.edits import Add, Edit

Found = dict[Site, Tensor]


class PyveneUndeclared(Pyvene):
    """PV1, PV8: pyvene used right; without a declaration its runs delete every hook and freeze every parameter."""


class NnsightUndeclared(Nnsight):
    """NN1: nnsight used right; without a declaration it leaves `forward` replaced on every module."""


class TwoPositions(Unchanged):
    """PV3: two positions collected by one unit come back as the two halves of the first."""

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> Found:
        """[batch, 2, hidden / 2] for the output of a block."""
        width = batch.ids.shape[1]
        return self.right.read(model, batch, sites) | {
            site: self.collect(model, batch, site.layer, [width - 2, width - 1])
            for site in sites
            if site.stream == "resid_post"
        }

    def collect(self, model: LoadedModel, batch: TokenBatch, layer: int, positions: list[int]) -> Tensor:
        """As pyvene's tutorials collect."""
        config = pyvene.RepresentationConfig(
            layer, "block_output", "pos", 1, intervention_type=pyvene.CollectIntervention
        )
        intervenable = pyvene.IntervenableModel(pyvene.IntervenableConfig([config]), model.module)
        with model.inference():
            (_, collected), _ = intervenable(batch.inputs(), unit_locations={"base": [[positions] * len(batch.ids)]})
        value: Tensor = collected[0]
        return value.clone()


class DefaultPhase(Pyvene):
    """PV7: without unit locations and `intervene_on_prompt`, the prompt is not steered."""

    locations: Any = None
    on_prompt = False

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        """Additions by pyvene's own intervention; no padding is spared."""
        adding = [
            pyvene.RepresentationConfig(
                component=f"model.layers[{edit.site.layer}].output", unit="pos",
                intervention=pyvene.AdditionIntervention(source_representation=edit.shift(torch.empty(0))),
            )
            for edit in edits
            if isinstance(edit, Add)
        ]  # fmt: skip
        intervenable = pyvene.IntervenableModel(pyvene.IntervenableConfig(adding), model.module)
        _, ids = intervenable.generate(
            {"input_ids": batch.ids, "attention_mask": batch.mask}, unit_locations=self.where(batch),
            intervene_on_prompt=self.on_prompt, generation_config=model.decoding(max_new_tokens),
        )  # fmt: skip
        new: Tensor = ids[:, batch.ids.shape[1] :]
        return new

    def where(self, batch: TokenBatch) -> Any:
        """Unit locations."""
        return None


class GivenPositions(DefaultPhase):
    """PV7: with unit locations, the prompt is steered and no generated token."""

    on_prompt = True

    def where(self, batch: TokenBatch) -> Any:
        """Every position of the prompt."""
        return {"base": list(range(batch.ids.shape[1]))}


class SavedOutput(Unchanged):
    """NN4: `.save()` keeps the model's own tensor, not a copy."""

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> Found:
        """The outputs of the asked blocks as nnsight saves them."""
        found = self.right.read(model, batch, sites)
        wrapped = nnsight.NNsight(model.module)
        layers = sorted(site.layer for site in sites if site.stream == "resid_post")
        saved: dict[int, Tensor] = {}
        with model.inference(), wrapped.trace(**batch.inputs()):
            for layer in layers:
                saved[layer] = self.value(wrapped.model.layers[layer]).save()
        return found | {Site("resid_post", layer): value.detach() for layer, value in saved.items()}

    def value(self, envoy: Any) -> Any:
        """What is saved of a block."""
        return envoy.output


class FirstOutput(SavedOutput):
    """NN3: `layer.output[0]` is batch row 0 since blocks return tensors."""

    def value(self, envoy: Any) -> Any:
        """As written for blocks that returned tuples."""
        return envoy.output[0]
