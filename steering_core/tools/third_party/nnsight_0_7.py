"""nnsight 0.7: `trace` and `generate` of a LanguageModel, whose code runs beside the model and waits for its values.

Needs nnsight 0.7, so it runs in a Python of its own: see docs/tool-python.md. From 0.8 on there is the built-in tool.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from nnsight import LanguageModel
from torch import Tensor

from steering_core.errors import ToolAbsent
from steering_core.models.compatibility import READS_V5_FILES
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


class nnsight:
    """Saves what modules return in `trace`, steers by assigning to it at every step of `generate`.

    It has the name of the built-in tool: a table holds all releases of nnsight as one tool, and no run has two of them.
    """

    name = "nnsight"
    # Before release 5, transformers feeds chunks past the call of the whole model, which is where nnsight counts steps.
    offers = Offers(
        chunked_prefill=READS_V5_FILES, modes=MODES, position_ranges=True, feature_ranges=True, packed_prompts=True
    )

    def version(self) -> ToolVersion:
        """nnsight's version; ToolAbsent for any but 0.7."""
        version = installed("nnsight", "nnsight")
        if not version.version.startswith("0.7."):
            sentence = f"nnsight {version.version} is not 0.7, which this adapter needs"
            raise ToolAbsent("tool-absent", sentence, "pip install 'nnsight==0.7.*'")
        return version

    def supports(self, spec: ModelSpec, site: Site, action: Action) -> str | None:
        """None, or the reason why the model has no such site, or why it cannot be edited."""
        return site_problem(spec, site, action)

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
        """One forward -> {site: [batch, seq, width]}, in the model's dtype, detached, owned by the caller."""
        check_sites(model, sites)
        inputs = batch.to(model.device).inputs()
        captured: dict[Site, Tensor] = {}
        # nnsight runs the whole `with` statement of a trace anew: the wrapper must exist before it.
        with _wrapping(model) as wrapped, model.inference():  # noqa: SIM117
            with wrapped.trace(**inputs, **model.last_logits_only):
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
        with _wrapping(model) as wrapped:  # noqa: SIM117
            with wrapped.generate(generation_config=config) as tracer:
                with tracer.invoke(**prompt):
                    for _ in tracer.iter[: chunks - 1 + max_new_tokens]:
                        for path, module_edits in scheduled:
                            envoy = wrapped.get(path)
                            envoy.output = module_edits.apply_to_output(envoy.output)
                # Apart, because what follows a step that is never taken, once all rows have ended, is not run.
                with tracer.invoke():
                    ids = tracer.result.save()
        new: Tensor = ids[:, batch.ids.shape[1] :]
        return new


def _value(wrapped: Any, model: LoadedModel, site: Site) -> Tensor:
    tap = model.architecture.tap(site)
    envoy = wrapped.get(tap.path)
    value = envoy.input if tap.side == "input" else envoy.output
    hidden: Tensor = value[0] if isinstance(value, tuple) else value
    return hidden[..., model.columns(site)]


def _moment(site: Site) -> tuple[float, int]:
    """Sorts sites by when the model computes them."""
    return (math.inf, 0) if site.stream == "final_norm" else (site.layer, _ORDER.index(site.stream))


@contextmanager
def _wrapping(model: LoadedModel) -> Iterator[Any]:
    """A fresh wrapper; the module `generator`, which it adds to the caller's model, is taken away again."""
    wrapped = LanguageModel(model.module, tokenizer=model.tokenizer)
    try:
        yield wrapped
    finally:
        model.module._modules.pop("generator", None)
