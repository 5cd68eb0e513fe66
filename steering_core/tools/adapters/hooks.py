"""Plain PyTorch forward hooks: the reference tool."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.utils.hooks import RemovableHandle

from steering_core.models.model import LoadedModel
from steering_core.models.registry import ModelSpec
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.tools.actions import MODES, Action
from steering_core.tools.edits import Edit
from steering_core.tools.offers import Offers
from steering_core.tools.positions import ScheduledEdits
from steering_core.tools.preparation import check_prompts, check_sites, edits_by_module, site_problem
from steering_core.tools.tool import ToolVersion, installed


class Hooks:
    """Reads with hooks that copy, steers with hooks that return a new tensor; every hook is removed afterwards."""

    name = "hooks"
    offers = Offers(modes=MODES, position_ranges=True, feature_ranges=True, packed_prompts=True)

    def version(self) -> ToolVersion:
        """The version of torch, whose hooks these are."""
        return installed("torch", "torch")

    def supports(self, spec: ModelSpec, site: Site, action: Action) -> str | None:
        """None, or the reason why the model has no such site, or why it cannot be edited."""
        return site_problem(spec, site, action)

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
        """One forward -> {site: [batch, seq, width]}, in the model's dtype, detached, owned by the caller."""
        check_sites(model, sites)
        inputs = batch.to(model.device).inputs()
        captured: dict[Site, Tensor] = {}
        handles: list[RemovableHandle] = []
        try:
            for site in sites:
                handles.append(_capture(model, site, captured))
            with model.inference():
                model.module(**inputs, **model.last_logits_only)
        finally:
            _remove(handles)
        return {site: captured[site] for site in sites}

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        """New token ids only, int64 [batch, <= max_new_tokens], greedy; rows padded after their end."""
        check_prompts(batch)
        batch = batch.to(model.device)
        handles: list[RemovableHandle] = []
        try:
            for path, group in edits_by_module(model, edits).items():
                handles.append(_steer(model, path, ScheduledEdits(group, batch.mask, model.use_cache)))
            config = model.decoding(max_new_tokens)
            ids = model.module.generate(input_ids=batch.ids, attention_mask=batch.mask, generation_config=config)
        finally:
            _remove(handles)
        new: Tensor = ids[:, batch.ids.shape[1] :]
        return new


def _steer(model: LoadedModel, path: str, edits: ScheduledEdits) -> RemovableHandle:
    """Hook the module at `path` so that its output is edited at every forward call."""
    return model.module_at(path).register_forward_hook(lambda module, args, output: edits.apply_to_output(output))


def _capture(model: LoadedModel, site: Site, captured: dict[Site, Tensor]) -> RemovableHandle:
    """Hook the site's module so that its tensor is copied into `captured`."""
    tap, columns = model.architecture.tap(site), model.columns(site)
    module = model.module_at(tap.path)

    def copy(value: Any) -> None:
        hidden = value[0] if isinstance(value, tuple) else value
        captured[site] = hidden[..., columns].detach().to(model.device, copy=True)

    if tap.side == "input":
        return module.register_forward_pre_hook(lambda module, args: copy(args))
    return module.register_forward_hook(lambda module, args, output: copy(output))


def _remove(handles: Sequence[RemovableHandle]) -> None:
    for handle in handles:
        handle.remove()
