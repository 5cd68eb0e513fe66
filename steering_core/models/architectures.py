"""Which module carries which stream, per model family; nothing is inferred from module names.

A `Tap` names a module by path, its input or output, and (for fused projections) the columns. Paths contain `{layer}`.
`attn_contrib` / `mlp_contrib` are what is added to the residual stream: on Gemma-2 and Gemma-3 that is the output of
the post-attention / post-feedforward norm, not of the attention or MLP module.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from steering_core.errors import ToolUnsupported
from steering_core.models.sites import Site


@dataclass(frozen=True)
class Tap:
    """One tensor of a forward pass: `side` is "input" or "output" of the module at `path`.

    `part` picks columns of a fused projection: "k" or "v" of a joint query-key-value matrix.
    """

    path: str
    side: str
    part: str | None = None

    def at(self, layer: int) -> "Tap":
        """The tap of one block."""
        return replace(self, path=self.path.format(layer=layer))


@dataclass(frozen=True)
class Architecture:
    """One family: where the blocks, the embedding and the final norm are, and a tap per stream."""

    family: str
    blocks: str
    embedding: str
    final_norm: str
    taps: Mapping[str, Tap]

    def tap(self, site: Site) -> Tap:
        """The tap of a site; ToolUnsupported if the family has no such tensor in one piece."""
        if site.stream == "final_norm":
            return Tap(self.final_norm, "output")
        if site.stream not in self.taps:
            sentence = f"family {self.family} has no stream {site.stream}"
            raise ToolUnsupported("no-such-stream", sentence, f"it has: {', '.join(self.taps)}")
        return self.taps[site.stream].at(site.layer)


def _taps(block: str, attention: str, mid: str, contrib: tuple[str, str], keys: str, values: str) -> dict[str, Tap]:
    """Taps from paths inside a block; keys == values means one fused query-key-value projection."""
    fused = keys == values
    return {
        "resid_pre": Tap(block, "input"),
        "resid_mid": Tap(f"{block}.{mid}", "input"),
        "resid_post": Tap(block, "output"),
        "attn_out": Tap(f"{block}.{attention}", "output"),
        "mlp_out": Tap(f"{block}.mlp", "output"),
        "attn_contrib": Tap(f"{block}.{contrib[0]}", "output"),
        "mlp_contrib": Tap(f"{block}.{contrib[1]}", "output"),
        "k": Tap(f"{block}.{attention}.{keys}", "output", "k" if fused else None),
        "v": Tap(f"{block}.{attention}.{values}", "output", "v" if fused else None),
    }


def _llama_like(family: str, *, sandwich: bool = False, fused: str = "") -> Architecture:
    """sandwich: a norm after attention and MLP too, whose output is what is added to the residual stream."""
    mid, contrib = "post_attention_layernorm", ("self_attn", "mlp")
    if sandwich:
        mid, contrib = "pre_feedforward_layernorm", ("post_attention_layernorm", "post_feedforward_layernorm")
    taps = _taps("model.layers.{layer}", "self_attn", mid, contrib, fused or "k_proj", fused or "v_proj")
    return Architecture(family, "model.layers", "model.embed_tokens", "model.norm", taps)


_GPT2_TAPS = _taps("transformer.h.{layer}", "attn", "ln_2", ("attn", "mlp"), "c_attn", "c_attn")
ARCHITECTURES: dict[str, Architecture] = {
    "qwen2": _llama_like("qwen2"),
    "qwen3": _llama_like("qwen3"),
    "llama": _llama_like("llama"),
    "mistral": _llama_like("mistral"),
    "phi3": _llama_like("phi3", fused="qkv_proj"),
    "gemma2": _llama_like("gemma2", sandwich=True),
    "gemma3_text": _llama_like("gemma3_text", sandwich=True),
    "gpt2": Architecture("gpt2", "transformer.h", "transformer.wte", "transformer.ln_f", _GPT2_TAPS),
}


def architecture_of(family: str) -> Architecture:
    """The streams of a family; ToolUnsupported lists the known families."""
    if family not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise ToolUnsupported("unknown-family", f"no architecture table for family {family!r}", f"known: {known}")
    return ARCHITECTURES[family]
