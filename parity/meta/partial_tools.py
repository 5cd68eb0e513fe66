"""Correct tools that offer a part of what a tool can do: two that only read, and one that only steers."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from torch import Tensor

from steering_core.models.model import LoadedModel
from steering_core.models.registry import ModelSpec
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.tools.actions import Action
from steering_core.tools.adapters.hooks import Hooks
from steering_core.tools.edits import Edit
from steering_core.tools.offers import Offers
from steering_core.tools.positions import ScheduledEdits
from steering_core.tools.preparation import check_prompts, edits_by_module, site_problem
from steering_core.tools.tool import ToolVersion, installed


class HiddenStates:
    """Reads what transformers returns for `output_hidden_states`; its last entry comes after the final norm."""

    name = "HiddenStates"

    def version(self) -> ToolVersion:
        """transformers' version."""
        return installed("transformers", "transformers")

    def supports(self, spec: ModelSpec, site: Site, action: Action) -> str | None:
        """Only the residual stream between blocks, and the embedding."""
        if site.stream not in {"resid_pre", "resid_post"}:
            return "output_hidden_states has only the stream between blocks"
        if site == Site("resid_post", spec.layers - 1):
            return "the last entry of output_hidden_states comes after the final norm"
        return None

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
        """One forward -> {site: [batch, seq, hidden]}, copies."""
        with model.inference():
            output = model.module(**batch.inputs(), output_hidden_states=True)
        return {site: output.hidden_states[site.layer + (site.stream == "resid_post")].clone() for site in sites}


class OneSite(Hooks):
    """Reads the output of block 4, and nothing together with it."""

    name = "OneSite"
    generate = None  # type: ignore[assignment]

    def supports(self, spec: ModelSpec, site: Site, action: Action) -> str | None:
        """One site."""
        return None if site == Site("resid_post", 4) else "it reads the output of block 4"

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
        """One forward -> {the site: [batch, seq, hidden]}; the list must have one entry."""
        (site,) = sites
        return super().read(model, batch, [site])


class AddsOnly:
    """Adds vectors with forward hooks; has no `read`, ablates nothing, and takes no prompt in chunks."""

    name = "AddsOnly"
    offers = Offers(chunked_prefill=False)

    def version(self) -> ToolVersion:
        """The version of torch, whose hooks these are."""
        return installed("torch", "torch")

    def supports(self, spec: ModelSpec, site: Site, action: Action) -> str | None:
        """Addition alone."""
        return site_problem(spec, site, action) if action == "add" else "it adds vectors and does nothing else"

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        """New token ids, int64 [batch, <= max_new_tokens]."""
        check_prompts(batch)
        with ExitStack() as stack:
            for path, group in edits_by_module(model, edits).items():
                scheduled = ScheduledEdits(group, batch.mask, model.use_cache)
                stack.callback(model.module_at(path).register_forward_hook(_hook(scheduled)).remove)
            config = model.decoding(max_new_tokens)
            ids = model.module.generate(input_ids=batch.ids, attention_mask=batch.mask, generation_config=config)
        new: Tensor = ids[:, batch.ids.shape[1] :]
        return new


def _hook(scheduled: ScheduledEdits) -> Any:
    return lambda module, args, output: scheduled.apply_to_output(output)
