"""nnterp: a StandardizedTransformer around the model, read and steered through its accessors inside nnsight's traces.

Needs nnsight below 0.8, so it runs in a Python of its own: see docs/tool-python.md.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from nnterp import StandardizedTransformer
from torch import Tensor

from steering_core.errors import ToolUnsupported
from steering_core.models.architectures import architecture_of
from steering_core.models.compatibility import READS_V5_FILES
from steering_core.models.model import LoadedModel
from steering_core.models.registry import ModelSpec
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.tools.actions import Action
from steering_core.tools.edits import Edit
from steering_core.tools.offers import Offers
from steering_core.tools.positions import ScheduledEdits
from steering_core.tools.preparation import check_prompts, check_sites, edits_by_module, site_problem
from steering_core.tools.tool import ToolVersion, installed

ACCESSORS = {
    "resid_pre": "layers_input",
    "attn_out": "attentions_output",
    "mlp_out": "mlps_output",
    "resid_post": "layers_output",
}
"""Stream -> nnterp's accessor, in the order in which a block computes them: a trace must ask for values in that order."""


class Nnterp:
    """Reads `layers_output[i]` and its siblings in `trace`, steers by assigning to `layers_output[i]` in `generate`."""

    name = "nnterp"
    built_on = ("nnsight",)
    # Before release 5, transformers feeds chunks past the call of the whole model, which is where nnsight counts steps.
    offers = Offers(chunked_prefill=READS_V5_FILES, packed_prompts=True)

    def version(self) -> ToolVersion:
        """nnterp's version."""
        return installed("nnterp", "nnterp")

    def supports(self, spec: ModelSpec, site: Site, action: Action) -> str | None:
        """None, or the reason why nnterp has no accessor for the site."""
        if reason := site_problem(spec, site):
            return reason
        if _stream(spec, site) is None:
            return f"nnterp has no accessor for {site.stream}"
        if action != "read" and _stream(spec, site) != "resid_post":
            return f"this adapter steers layers_output (resid_post), not {site.stream}"
        return None

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
        """One forward -> {site: [batch, seq, width]}, in the model's dtype, detached, owned by the caller."""
        check_sites(model, sites)
        for site in sites:
            if reason := self.supports(model.spec, site, "read"):
                raise ToolUnsupported("no-accessor", reason, f"it has {', '.join(ACCESSORS)}")
        inputs = batch.to(model.device).inputs()
        captured: dict[Site, Tensor] = {}
        # nnsight runs the whole `with` statement of a trace anew: the wrapper must exist before it.
        with _wrapping(model) as wrapped, model.inference():  # noqa: SIM117
            with wrapped.trace(**inputs, **model.last_logits_only):
                for site in sorted(sites, key=lambda site: _moment(model.spec, site)):
                    hidden = getattr(wrapped, ACCESSORS[str(_stream(model.spec, site))])[site.layer]
                    captured[site] = hidden.detach().to(model.device, copy=True)
        return {site: captured[site] for site in sites}

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        """New token ids only, int64 [batch, <= max_new_tokens], greedy; rows padded after their end."""
        check_prompts(batch)
        batch = batch.to(model.device)
        blocks = _edits_by_block(model, batch, edits)
        config = model.decoding(max_new_tokens)
        prompt = {"input_ids": batch.ids, "attention_mask": batch.mask}
        # A prompt fed in chunks takes several calls; the last of them chooses the first token.
        chunks = math.ceil(batch.ids.shape[1] / (model.prefill_chunk or batch.ids.shape[1]))
        running = _Running(config.eos_token_id)
        with _wrapping(model) as wrapped:  # noqa: SIM117
            with wrapped.generate(**prompt, generation_config=config) as tracer:
                for step in tracer.iter[: chunks - 1 + max_new_tokens]:
                    # The streamer's first value is the prompt, each later one the tokens chosen by the call before.
                    if chunks == 1 and step and not running.after(wrapped.generator.streamer.output):
                        break
                    for block, scheduled in blocks:
                        wrapped.layers_output[block] = scheduled.apply(wrapped.layers_output[block])
                    if chunks > 1 and step >= chunks - 1 and not running.after(wrapped.logits[:, -1].argmax(-1).cpu()):
                        break
                ids = tracer.result.save()
        new: Tensor = ids[:, batch.ids.shape[1] :]
        return new


class _Running:
    """Which rows have not ended: a trace that waits for a step that the model never takes is cut short."""

    def __init__(self, end: int | list[int] | None) -> None:
        self.ends = torch.tensor([] if end is None else end, dtype=torch.long).reshape(-1)
        self.rows = torch.tensor(True)

    def after(self, chosen: Tensor) -> bool:
        """chosen: int64 [batch], the newest tokens. Whether any row continues."""
        self.rows = self.rows & ~torch.isin(chosen, self.ends)
        return bool(self.rows.any())


def _stream(spec: ModelSpec, site: Site) -> str | None:
    """The stream whose accessor holds the site's tensor: on most families attn_contrib is attn_out."""
    architecture = architecture_of(spec.family)
    taps = {architecture.tap(Site(stream, site.layer)): stream for stream in ACCESSORS}
    return taps.get(architecture.tap(site))


def _moment(spec: ModelSpec, site: Site) -> tuple[int, int]:
    """Sorts sites by when the model computes them."""
    return site.layer, list(ACCESSORS).index(str(_stream(spec, site)))


def _edits_by_block(model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit]) -> list[tuple[int, ScheduledEdits]]:
    """The edits of each block, in the order of the blocks; ToolUnsupported for another stream."""
    if other := [edit.site for edit in edits if _stream(model.spec, edit.site) != "resid_post"]:
        raise ToolUnsupported("edit-site", f"{other[0]} cannot be edited by assigning to layers_output", "resid_post")
    groups = edits_by_module(model, edits).values()
    scheduled = [(group[0].site.layer, ScheduledEdits(group, batch.mask, model.use_cache)) for group in groups]
    return sorted(scheduled, key=lambda pair: pair[0])


@contextmanager
def _wrapping(model: LoadedModel) -> Iterator[Any]:
    """A fresh wrapper. nnterp's own check of its names is left out: it takes another second, and runs the model.

    nnsight registers its `generator` as a submodule of the caller's model, which is taken away again.
    """
    own = set(model.module._modules)
    try:
        yield StandardizedTransformer(model.module, tokenizer=model.tokenizer, check_renaming=False)
    finally:
        for name in set(model.module._modules) - own:
            delattr(model.module, name)
