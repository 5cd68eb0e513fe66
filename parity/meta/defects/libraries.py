"""Real defects of nnsight and pyvene: tools that use the installed library in the way that fails."""

from collections.abc import Sequence
from typing import Any

import nnsight
import pyvene
import torch
from torch import Tensor

from fixtures.faults.base import Activations, WrappedHooks
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.tools.adapters.nnsight import Nnsight
from steering_core.tools.adapters.pyvene import Pyvene
from steering_core.tools.edits import Add, Edit


class PyveneUndeclared(Pyvene):
    """PV1, PV8: pyvene used correctly; without a declaration, its runs delete every hook and freeze every parameter."""


class NnsightUndeclared(Nnsight):
    """NN1: nnsight used correctly; without a declaration, it leaves `forward` replaced on every module."""


class TwoPositions(WrappedHooks):
    """PV3: two positions collected by one unit come back as the two halves of the first."""

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> Activations:
        """[batch, 2, hidden / 2] for the output of a block."""
        last, blocks = batch.ids.shape[1] - 1, [site for site in sites if site.stream == "resid_post"]
        collected = {site: self.collect(model, batch, site.layer, [last - 1, last]) for site in blocks}
        return self.hooks.read(model, batch, sites) | collected

    def collect(self, model: LoadedModel, batch: TokenBatch, layer: int, positions: list[int]) -> Tensor:
        """As pyvene's tutorials collect."""
        collect = pyvene.CollectIntervention
        config = pyvene.RepresentationConfig(layer, "block_output", "pos", 1, intervention_type=collect)
        intervenable = pyvene.IntervenableModel(pyvene.IntervenableConfig([config]), model.module)
        with model.inference():
            (_, collected), _ = intervenable(batch.inputs(), unit_locations={"base": [[positions] * len(batch.ids)]})
        return collected[0].clone()


class DefaultPhase(Pyvene):
    """PV7: without unit locations and `intervene_on_prompt`, the prompt is not steered."""

    on_prompt = False

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        """Additions by pyvene's own intervention; padding is steered too."""
        configs = [self.config(edit) for edit in edits if isinstance(edit, Add)]
        intervenable = pyvene.IntervenableModel(pyvene.IntervenableConfig(configs), model.module)
        inputs = {"input_ids": batch.ids, "attention_mask": batch.mask}
        how = {"unit_locations": self.unit_locations(batch), "intervene_on_prompt": self.on_prompt}
        _, ids = intervenable.generate(inputs, **how, generation_config=model.decoding(max_new_tokens))
        return ids[:, batch.ids.shape[1] :]

    def config(self, edit: Add) -> Any:
        """One addition at a block's output."""
        adding = pyvene.AdditionIntervention(source_representation=edit.shift(torch.empty(0)))
        component = f"model.layers[{edit.site.layer}].output"
        return pyvene.RepresentationConfig(component=component, unit="pos", intervention=adding)

    def unit_locations(self, batch: TokenBatch) -> Any:
        """Which positions of the prompt are edited."""
        return None


class GivenPositions(DefaultPhase):
    """PV7: with unit locations, the prompt is steered but no generated token."""

    on_prompt = True

    def unit_locations(self, batch: TokenBatch) -> Any:
        """Every position of the prompt."""
        return {"base": list(range(batch.ids.shape[1]))}


class SavedOutput(WrappedHooks):
    """NN4: `.save()` keeps the model's own tensor, not a copy."""

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> Activations:
        """The outputs of the requested blocks as nnsight saves them."""
        tensors = self.hooks.read(model, batch, sites)
        wrapped = nnsight.NNsight(model.module)
        layers = sorted(site.layer for site in sites if site.stream == "resid_post")
        saved: dict[int, Tensor] = {}
        with model.inference(), wrapped.trace(**batch.inputs()):
            for layer in layers:
                saved[layer] = self.value(wrapped.model.layers[layer]).save()
        return tensors | {Site("resid_post", layer): value.detach() for layer, value in saved.items()}

    def value(self, envoy: Any) -> Any:
        """What is saved of a block."""
        return envoy.output


class FirstOutput(SavedOutput):
    """NN3: `layer.output[0]` is batch row 0 since blocks return tensors."""

    def value(self, envoy: Any) -> Any:
        """As written for blocks that returned tuples."""
        return envoy.output[0]


class TutorialSteering(Nnsight):
    """NN3: the tutorial's `output[0][:] += v` steers batch row 0 alone since blocks return tensors."""

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        """As written for blocks that returned tuples."""
        wrapped = nnsight.TransformersModel(
            model.module, task="text-generation", tokenizer=model.tokenizer, device=model.module.device
        )
        shifts = {edit.site.layer: edit.shift(torch.empty(0)) for edit in edits if isinstance(edit, Add)}
        prompt = {"input_ids": batch.ids, "attention_mask": batch.mask}
        with wrapped.generate(**prompt, generation_config=model.decoding(max_new_tokens)) as tracer:
            for _step in tracer.iter[:max_new_tokens]:
                for layer in sorted(shifts):
                    wrapped.model.layers[layer].output[0][:] += shifts[layer]
            ids = tracer.result.save()
        return ids[:, batch.ids.shape[1] :]
