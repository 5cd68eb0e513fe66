"""pyvene: an IntervenableModel that collects and intervenes, addressed by string component.

Components are written "model.layers.3.output" rather than taken from pyvene's per-family tables: one spelling serves
every family, and the tables cut some projections short when head_dim * heads is not hidden.
"""

from collections.abc import Sequence
from typing import Any

import pyvene
import torch
from torch import Tensor, nn

from steering_core.models.model import LoadedModel
from steering_core.models.registry import ModelSpec
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.tools.actions import MODES, Action
from steering_core.tools.edits import Add, Edit, Set
from steering_core.tools.offers import Offers
from steering_core.tools.positions import Schedule
from steering_core.tools.preparation import check_prompts, check_sites, edits_by_module, site_problem
from steering_core.tools.tool import ToolVersion, installed


class Pyvene:
    """Reads with CollectIntervention, steers with interventions inside IntervenableModel.generate."""

    name = "pyvene"
    offers = Offers(modes=MODES, position_ranges=True, feature_ranges=True, packed_prompts=True)

    def version(self) -> ToolVersion:
        """pyvene's version."""
        return installed("pyvene", "pyvene")

    def supports(self, spec: ModelSpec, site: Site, action: Action) -> str | None:
        """None, or the reason why the model has no such site, or why it cannot be edited."""
        return site_problem(spec, site, action)

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
        """One forward -> {site: [batch, seq, width]}, in the model's dtype, detached, owned by the caller."""
        check_sites(model, sites)
        inputs = batch.to(model.device).inputs()
        taps = [model.architecture.tap(site) for site in sites]
        # Constructed here they have no embed_dim; pyvene would set it and cut several positions to the width of one.
        collecting = [_at(f"{tap.path}.{tap.side}", pyvene.CollectIntervention()) for tap in taps]
        intervenable = _intervenable(model, collecting)
        with model.inference():
            (_, collected), _ = intervenable({**inputs, **model.last_logits_only}, unit_locations=None)
        return {
            site: hidden[..., model.columns(site)].detach().to(model.device, copy=True)
            for site, hidden in zip(sites, collected, strict=True)
        }

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        """New token ids only, int64 [batch, <= max_new_tokens], greedy; rows padded after their end."""
        check_prompts(batch)
        batch = batch.to(model.device)
        steering = [
            _at(f"{path}.output", _intervention(edit, batch.mask, model))
            for path, group in edits_by_module(model, edits).items()
            for edit in group
        ]
        # No unit locations and intervene_on_prompt: the one setting that reaches the prompt and every decode step.
        _, ids = _intervenable(model, steering).generate(
            {"input_ids": batch.ids, "attention_mask": batch.mask},
            unit_locations=None,
            intervene_on_prompt=True,
            generation_config=model.decoding(max_new_tokens),
        )
        new: Tensor = ids[:, batch.ids.shape[1] :]
        return new


class _Addition(pyvene.AdditionIntervention):  # type: ignore[misc]  # pyvene has no types
    """pyvene's addition of a constant vector, on schedule."""

    def __init__(self, shift: Tensor, schedule: Schedule) -> None:
        super().__init__(source_representation=shift)
        self.schedule = schedule

    def forward(self, base: Tensor, source: Any = None, subspaces: Any = None, **kwargs: Any) -> Tensor:
        # pyvene adds in place, so it is given a copy: `base` is still needed where nothing is edited.
        edited = super().forward(base.clone(), source, subspaces)
        return torch.where(self.schedule.next(base.shape[1]).to(base.device), edited, base)


class _Replacement(pyvene.VanillaIntervention):  # type: ignore[misc]
    """pyvene's interchange with a constant vector, on schedule."""

    def __init__(self, vector: Tensor, schedule: Schedule) -> None:
        super().__init__(source_representation=vector)
        self.schedule = schedule

    def forward(self, base: Tensor, source: Any = None, subspaces: Any = None, **kwargs: Any) -> Tensor:
        # pyvene writes in place, as above.
        edited = super().forward(base.clone(), source, subspaces)
        return torch.where(self.schedule.next(base.shape[1]).to(base.device), edited, base)


class _Edit(pyvene.ConstantSourceIntervention, pyvene.LocalistRepresentationIntervention):  # type: ignore[misc]
    """What pyvene does not ship, such as directional ablation, as one of its constant-source interventions."""

    def __init__(self, edit: Edit, schedule: Schedule) -> None:
        super().__init__()
        self.edit, self.schedule = edit, schedule

    def forward(self, base: Tensor, source: Any = None, subspaces: Any = None, **kwargs: Any) -> Tensor:
        return torch.where(self.schedule.next(base.shape[1]).to(base.device), self.edit.apply(base), base)


def _intervention(edit: Edit, mask: Tensor, model: LoadedModel) -> nn.Module:
    schedule = Schedule(mask, edit.phase, model.use_cache, positions=edit.positions)
    if isinstance(edit, Add) and edit.features is None:
        return _Addition(edit.shift(torch.empty(0, dtype=model.dtype, device=edit.vector.device)), schedule)
    if isinstance(edit, Set) and edit.features is None:
        return _Replacement(edit.vector.float().to(model.dtype), schedule)
    return _Edit(edit, schedule)


def _at(component: str, intervention: nn.Module) -> pyvene.RepresentationConfig:
    return pyvene.RepresentationConfig(component=component, unit="pos", intervention=intervention)


def _intervenable(model: LoadedModel, representations: list[Any]) -> Any:
    return pyvene.IntervenableModel(pyvene.IntervenableConfig(representations), model.module)
