"""nnsight 0.3: a graph of proxies, built inside `trace` and `generate`, and executed when their context is left.

Needs nnsight 0.3 and a transformers of its time, so it runs in a Python of its own: see docs/tool-python.md.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any

import torch
from nnsight import LanguageModel
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


class nnsight:
    """Saves proxies of what modules return in `trace`, steers by assigning to them, call after call, in `generate`.

    It has the name of the built-in tool: a table holds all releases of nnsight as one tool, and no run has two of them.
    """

    name = "nnsight"
    # No transformers of its time feeds a prompt in chunks.
    offers = Offers(chunked_prefill=False, modes=MODES, position_ranges=True, feature_ranges=True, packed_prompts=True)

    def version(self) -> ToolVersion:
        """nnsight's version; ToolAbsent for any but 0.3."""
        version = installed("nnsight", "nnsight")
        if not version.version.startswith("0.3."):
            sentence = f"nnsight {version.version} is not 0.3, which this adapter needs"
            raise ToolAbsent("tool-absent", sentence, "pip install nnsight==0.3.7 transformers==4.49.0")
        return version

    def supports(self, spec: ModelSpec, site: Site, action: Action) -> str | None:
        """None, or the reason why the model has no such site, or why it cannot be edited."""
        return site_problem(spec, site, action)

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
        """One forward -> {site: [batch, seq, width]}, in the model's dtype, detached, owned by the caller."""
        check_sites(model, sites)
        inputs = batch.to(model.device).inputs()
        # What the wrapper prepares comes first; the rest goes to the model as it is.
        prompt = {name: inputs.pop(name) for name in ("input_ids", "attention_mask") if name in inputs}
        proxies: dict[Site, Any] = {}
        with _wrapping(model) as wrapped, model.inference():  # noqa: SIM117
            with wrapped.trace(prompt, **inputs, **model.last_logits_only) as tracer:
                for site in sites:
                    tap = model.architecture.tap(site)
                    envoy = reduce(getattr, tap.path.split("."), wrapped)
                    value = envoy.input if tap.side == "input" else envoy.output
                    proxies[site] = tracer.apply(_copy, value, model.columns(site), model.device).save()
        return {site: proxy.value for site, proxy in proxies.items()}

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        """New token ids only, int64 [batch, <= max_new_tokens], greedy; rows padded after their end."""
        check_prompts(batch)
        batch = batch.to(model.device)
        modules = edits_by_module(model, edits).items()
        scheduled = [(path, ScheduledEdits(group, batch.mask, model.use_cache)) for path, group in modules]
        prompt = {"input_ids": batch.ids, "attention_mask": batch.mask}
        # Without its own keyword the wrapper asks for one token, whatever the configuration says.
        settings = {"generation_config": model.decoding(max_new_tokens), "max_new_tokens": max_new_tokens}
        with _wrapping(model) as wrapped, wrapped.generate(prompt, **settings) as tracer:
            for path, module_edits in scheduled:
                envoy = reduce(getattr, path.split("."), wrapped)
                for _ in range(max_new_tokens):
                    envoy.output = tracer.apply(module_edits.apply_to_output, envoy.output)
                    envoy.next()
            ids = wrapped.generator.output.save()
        new: Tensor = ids.value[:, batch.ids.shape[1] :]
        return new


def _copy(value: Tensor | tuple[Tensor, ...], columns: slice, device: torch.device) -> Tensor:
    """What a module takes or returns -> the requested columns, in memory of their own; called while the model runs."""
    hidden = value[0] if isinstance(value, tuple) else value
    return hidden[..., columns].detach().to(device, copy=True)


@contextmanager
def _wrapping(model: LoadedModel) -> Iterator[Any]:
    """A fresh wrapper; the module `generator`, which it adds to the caller's model, is taken away again."""
    wrapped = LanguageModel(model.module, tokenizer=model.tokenizer)
    try:
        yield wrapped
    finally:
        model.module._modules.pop("generator", None)
