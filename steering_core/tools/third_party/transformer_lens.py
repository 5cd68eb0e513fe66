"""TransformerLens: a TransformerBridge around the model; `run_with_cache` reads, hooks around its `generate` steer.

Used as its documentation says: https://transformerlensorg.github.io/TransformerLens/content/migrating_to_v3.html
"""

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from steering_core.models.architectures import architecture_of
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

HOOKS = {
    "resid_pre": "hook_resid_pre",
    "resid_mid": "hook_resid_mid",
    "resid_post": "hook_resid_post",
    "attn_out": "attn.hook_out",
    "mlp_out": "mlp.hook_out",
    "attn_contrib": "hook_attn_out",
    "mlp_contrib": "hook_mlp_out",
}
"""Stream -> the hook point of a block. `hook_attn_out` is what attention adds to the stream, after a norm if there is one."""


class TransformerLens:
    """Boots a bridge around the caller's model once, and keeps it as long as the model lives."""

    name = "transformer_lens"
    offers = Offers(modes=MODES, position_ranges=True, feature_ranges=True, chunked_prefill=False)
    bridges: "WeakKeyDictionary[Any, Any]" = WeakKeyDictionary()

    def version(self) -> ToolVersion:
        """transformer-lens' version."""
        return installed("transformer-lens", "transformer_lens")

    def supports(self, spec: ModelSpec, site: Site, action: Action) -> str | None:
        """None, or the reason why there is no hook point for the site."""
        if site.stream not in HOOKS:
            return f"this adapter has no hook point for {site.stream}"
        return site_problem(spec, site, action)

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
        """One forward -> {site: [batch, seq, hidden]}, in the model's dtype; not copied (see transformer_lens.toml)."""
        check_sites(model, sites)
        batch = batch.to(model.device)
        names = {site: _hook_name(model.spec, site) for site in sites}
        with model.inference():
            _, cache = self._bridge(model).run_with_cache(
                batch.ids, attention_mask=batch.mask, names_filter=list(dict.fromkeys(names.values()))
            )
        return {site: cache[name] for site, name in names.items()}

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        """New token ids only, int64 [batch, <= max_new_tokens], greedy; rows padded after their end."""
        check_prompts(batch)
        batch = batch.to(model.device)
        steering = [
            (_hook_name(model.spec, group[0].site), _steer(ScheduledEdits(group, batch.mask, model.use_cache)))
            for group in edits_by_module(model, edits).values()
        ]
        config, bridge = model.decoding(max_new_tokens), self._bridge(model)
        with model.inference(), bridge.hooks(fwd_hooks=steering):
            ids = bridge.generate(
                batch.ids,
                attention_mask=batch.mask,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                eos_token_id=config.eos_token_id,
                use_past_kv_cache=model.use_cache,
                return_type="tokens",
                verbose=False,
            )
        return _padded(ids[:, batch.ids.shape[1] :], config)

    def _bridge(self, model: LoadedModel) -> Any:
        """The bridge around the model, with its weights as they are (no compatibility mode)."""
        if model.module not in self.bridges:
            self.bridges[model.module] = TransformerBridge.boot_transformers(
                model.origin, hf_model=model.module, tokenizer=model.tokenizer, device=model.device, dtype=model.dtype
            )
        return self.bridges[model.module]


def _hook_name(spec: ModelSpec, site: Site) -> str:
    """Where a module's output is itself added to the stream, both names mean one tensor, and the first is asked for."""
    architecture = architecture_of(spec.family)
    raw = Site(site.stream.replace("_contrib", "_out"), site.layer)
    stream = raw.stream if architecture.tap(raw) == architecture.tap(site) else site.stream
    return f"blocks.{site.layer}.{HOOKS[stream]}"


def _steer(edits: ScheduledEdits) -> Callable[..., Tensor]:
    """A hook function of TransformerLens: activations [batch, seq, hidden] -> edited."""
    return lambda tensor, hook: edits.apply(tensor)


def _padded(new: Tensor, config: Any) -> Tensor:
    """The library repeats the end token after a row's end, and the suite asks for the padding id there."""
    ends = torch.tensor([] if config.eos_token_id is None else config.eos_token_id, device=new.device).reshape(-1)
    ended = torch.isin(new, ends).long().cumsum(1)
    finished = (ended - torch.isin(new, ends).long()) > 0
    return new.masked_fill(finished, config.pad_token_id)
