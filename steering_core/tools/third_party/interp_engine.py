"""interp-engine: Neuronpedia's engine on its eager backend; `capture` reads, `steer` around `generate_stream` steers.

Used as its documentation says: https://github.com/decoderesearch/interp-engine. `generate_stream` takes one prompt.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import interp_engine
import torch
from interp_engine.model import EagerModel
from interp_engine.steer import SteerSpec
from torch import Tensor

from steering_core.errors import ToolUnsupported
from steering_core.models.model import LoadedModel
from steering_core.models.registry import ModelSpec
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.tools.actions import Action
from steering_core.tools.edits import Ablate, Add, Edit
from steering_core.tools.offers import Offers
from steering_core.tools.preparation import check_prompts, check_sites, edits_by_module, site_problem
from steering_core.tools.tool import ToolVersion, installed

POINTS = {
    **{name: name for name in ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")},
    "attn_contrib": "attn_out_post",
    "mlp_contrib": "mlp_out_post",
}
"""Stream -> the engine's point; what a sublayer adds to the stream is its `_post` point."""
GREEDY = {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "presence_penalty": 0.0}


class InterpEngine:
    """Reads a batch at once; generates row by row, with a cache, as the engine does."""

    name = "interp_engine"
    offers = Offers(no_cache=False, chunked_prefill=False)

    def version(self) -> ToolVersion:
        """interp-engine's version."""
        return installed("interp-engine", "interp_engine")

    def supports(self, spec: ModelSpec, site: Site, action: Action) -> str | None:
        """None, or the reason why the adapter knows no point for the site."""
        if site.stream not in POINTS:
            return f"this adapter has no point for {site.stream}"
        return site_problem(spec, site, action)

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
        """One forward -> {site: [batch, seq, hidden]}, in the model's dtype, detached, owned by the caller."""
        check_sites(model, sites)
        batch = batch.to(model.device)
        addresses = {site: interp_engine.Address(POINTS[site.stream], site.layer) for site in sites}
        engine = _engine(model)
        captured = interp_engine.capture(engine, batch.ids, list(addresses.values()), attention_mask=batch.mask)
        # Two points may be one module's output, of which the engine keeps one copy.
        return {site: captured[address].to(model.device, copy=True) for site, address in addresses.items()}

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        """New token ids only, int64 [batch, <= max_new_tokens], greedy; rows padded after their end."""
        check_prompts(batch)
        batch = batch.to(model.device)
        ordered = [edit for group in edits_by_module(model, edits).values() for edit in group]
        config, engine = model.decoding(max_new_tokens), _engine(model)
        ends = {*_listed(config.eos_token_id)}
        rows = []
        for ids, mask in zip(batch.ids, batch.mask, strict=True):
            with ExitStack() as stack:
                for edit in ordered:
                    stack.enter_context(_steering(engine, edit, ids[mask.bool()].tolist()))
                rows.append(_answer(engine, ids[mask.bool()], max_new_tokens, ends))
        longest = max(map(len, rows))
        padded = [row + [config.pad_token_id] * (longest - len(row)) for row in rows]
        return torch.tensor(padded, dtype=torch.long, device=model.device)


def _engine(model: LoadedModel) -> EagerModel:
    """The engine around the caller's model."""
    return EagerModel(
        model.origin, hf_model=model.module, tokenizer=model.tokenizer, dtype=model.dtype, device=str(model.device)
    )


def _steering(engine: EagerModel, edit: Edit, prompt: list[int]) -> Any:
    """A `steer` context: the whole prompt is masked for an edit of generated tokens alone."""
    spec = _spec(edit)
    masked = list(range(len(prompt))) if edit.phase == "decode" else None
    generated = edit.phase != "prefill"
    return interp_engine.steer(engine, [spec], prompt_token_ids=prompt, position_mask=masked, generated=generated)


def _spec(edit: Edit) -> SteerSpec:
    """The edit in the engine's words; ToolUnsupported for what it has none for."""
    if edit.positions is not None or edit.features is not None or not isinstance(edit, Add | Ablate):
        sentence = f"interp-engine cannot edit by {type(edit).__name__} in a range"
        raise ToolUnsupported("edit-kind", sentence, "add vectors, or ablate directions")
    how = {"coeff": edit.coefficient, "method": "additive"} if isinstance(edit, Add) else {"method": "ablate"}
    return SteerSpec(vector=edit.vector, layer=edit.site.layer, point=POINTS[edit.site.stream], **how)


def _answer(engine: EagerModel, prompt: Tensor, max_new_tokens: int, ends: set[int]) -> list[int]:
    """The tokens up to an end token, which is the last of them."""
    tokens: list[int] = []
    for step in interp_engine.generate_stream(engine, prompt, max_tokens=max_new_tokens, stop_at_eos=False, **GREEDY):
        tokens.append(step.token_id)
        if step.token_id in ends:
            break
    return tokens


def _listed(value: int | list[int] | None) -> list[int]:
    return [] if value is None else value if isinstance(value, list) else [value]
