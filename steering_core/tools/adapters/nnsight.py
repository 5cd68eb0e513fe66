"""nnsight: a traced forward for reading, a traced generation for steering."""

import math
from collections.abc import Sequence
from typing import Any

import nnsight
import torch
from torch import Tensor

from steering_core.errors import ToolAbsent
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

# A trace must ask for values in the order in which the model computes them.
_ORDER = ("resid_pre", "k", "v", "attn_out", "attn_contrib", "resid_mid", "mlp_out", "mlp_contrib", "resid_post")


class Nnsight:
    """Reads inside `trace`, steers by assigning to a module's output at every step of `generate`."""

    name = "nnsight"
    offers = Offers(modes=MODES, position_ranges=True, feature_ranges=True, packed_prompts=True)

    def version(self) -> ToolVersion:
        """nnsight's version; ToolAbsent before 0.8, whose interface is another."""
        version = installed("nnsight", "nnsight")
        if not hasattr(nnsight, "TransformersModel"):
            sentence = f"nnsight {version.version} has no TransformersModel, which this adapter needs"
            raise ToolAbsent("tool-absent", sentence, "pip install 'nnsight>=0.8.1'")
        return version

    def supports(self, spec: ModelSpec, site: Site, action: Action) -> str | None:
        """None, or the reason why the model has no such site, or why it cannot be edited."""
        return site_problem(spec, site, action)

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
        """One forward -> {site: [batch, seq, width]}, in the model's dtype, detached, owned by the caller."""
        check_sites(model, sites)
        inputs = batch.to(model.device).inputs()
        wrapped = _wrap(model)
        captured: dict[Site, Tensor] = {}
        with model.inference(), wrapped.trace(**inputs, **model.last_logits_only):
            for site in sorted(sites, key=_moment):
                # A saved value is the model's own tensor until it is copied.
                captured[site] = _value(wrapped, model, site).detach().to(model.device, copy=True)
        return {site: captured[site] for site in sites}

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        """New token ids only, int64 [batch, <= max_new_tokens], greedy; rows padded after their end."""
        check_prompts(batch)
        batch = batch.to(model.device)
        by_module = sorted(edits_by_module(model, edits).items(), key=lambda item: _moment(item[1][0].site))
        scheduled = [(path, ScheduledEdits(group, batch.mask, model.use_cache)) for path, group in by_module]
        config = model.decoding(max_new_tokens)
        prompt = {"input_ids": batch.ids, "attention_mask": batch.mask}
        # A prompt fed in chunks takes several calls; the last of them chooses the first token.
        chunks = math.ceil(batch.ids.shape[1] / (model.prefill_chunk or batch.ids.shape[1]))
        running, wrapped = _Running(config.eos_token_id), _wrap(model)
        with wrapped.generate(**prompt, generation_config=config) as tracer:
            for step in tracer.iter[: chunks - 1 + max_new_tokens]:
                # The streamer's first value is the prompt, each later one the tokens chosen by the call before.
                if chunks == 1 and step and not running.after(wrapped.generator.streamer.output):
                    break
                for path, module_edits in scheduled:
                    envoy = wrapped.get(path)
                    envoy.output = module_edits.apply_to_output(envoy.output)
                if chunks > 1 and step >= chunks - 1 and not running.after(_chosen(wrapped)):
                    break
            ids = tracer.result.save()
        new: Tensor = ids[:, batch.ids.shape[1] :]
        return new


class _Running:
    """Which rows have not ended: a trace that waits for a step that the model never takes is cut short with a warning."""

    def __init__(self, end: int | list[int] | None) -> None:
        self.ends = torch.tensor([] if end is None else end, dtype=torch.long).reshape(-1)
        self.rows = torch.tensor(True)

    def after(self, chosen: Tensor) -> bool:
        """chosen: int64 [batch], the newest tokens. Whether any row continues."""
        self.rows = self.rows & ~torch.isin(chosen, self.ends)
        return bool(self.rows.any())


def _chosen(wrapped: Any) -> Tensor:
    """The tokens that greedy decoding takes after this call: int64 [batch], on the CPU."""
    chosen: Tensor = wrapped.output.logits[:, -1].argmax(-1).cpu()
    return chosen


def _value(wrapped: Any, model: LoadedModel, site: Site) -> Tensor:
    tap = model.architecture.tap(site)
    envoy = wrapped.get(tap.path)
    value = envoy.input if tap.side == "input" else envoy.output
    hidden: Tensor = value[0] if isinstance(value, tuple) else value
    return hidden[..., model.columns(site)]


def _moment(site: Site) -> tuple[float, int]:
    """Sorts sites by when the model computes them."""
    if site.stream == "final_norm":
        return math.inf, 0
    return site.layer, _ORDER.index(site.stream)


def _wrap(model: LoadedModel) -> Any:
    """A fresh wrapper around the model, on the device where it is.

    The pipeline that nnsight builds moves a model to the first GPU unless told a device, and refuses to be told one
    for a model that was placed by a device map.
    """
    device = None if getattr(model.module, "hf_device_map", None) else model.module.device
    return nnsight.TransformersModel(model.module, task="text-generation", tokenizer=model.tokenizer, device=device)
