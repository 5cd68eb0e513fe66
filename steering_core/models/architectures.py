"""Which module carries which stream, written down per model family; nothing is guessed.

A `Tap` names a module by path, the side of it, and (for fused projections) the columns. Paths contain `{layer}`.
`attn_contrib` / `mlp_contrib` are what is added to the residual stream: on Gemma-2 and Gemma-3 that is the output of
the post-attention / post-feedforward norm, not of the attention or MLP module.
"""

from collections.abc import Mapping
from dataclasses import dataclass

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
        return Tap(self.path.format(layer=layer), self.side, self.part)


@dataclass(frozen=True)
class Architecture:
    """The table of one family: where the blocks, the embedding and the final norm are, and a tap per stream."""

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
            raise ToolUnsupported(
                "no-such-stream", f"family {self.family} has no stream {site.stream}", f"it has: {', '.join(self.taps)}"
            )
        return self.taps[site.stream].at(site.layer)


def _llama_like(family: str, *, mid: str, contrib: tuple[str, str], fused: str | None = None) -> Architecture:
    block = "model.layers.{layer}"
    key = Tap(f"{block}.self_attn.{fused}", "output", "k") if fused else Tap(f"{block}.self_attn.k_proj", "output")
    value = Tap(f"{block}.self_attn.{fused}", "output", "v") if fused else Tap(f"{block}.self_attn.v_proj", "output")
    taps = {
        "resid_pre": Tap(block, "input"),
        "resid_mid": Tap(f"{block}.{mid}", "input"),
        "resid_post": Tap(block, "output"),
        "attn_out": Tap(f"{block}.self_attn", "output"),
        "mlp_out": Tap(f"{block}.mlp", "output"),
        "attn_contrib": Tap(f"{block}.{contrib[0]}", "output"),
        "mlp_contrib": Tap(f"{block}.{contrib[1]}", "output"),
        "k": key,
        "v": value,
    }
    return Architecture(family, "model.layers", "model.embed_tokens", "model.norm", taps)


def _pre_norm(family: str, fused: str | None = None) -> Architecture:
    return _llama_like(family, mid="post_attention_layernorm", contrib=("self_attn", "mlp"), fused=fused)


def _sandwich_norm(family: str) -> Architecture:
    norms = ("post_attention_layernorm", "post_feedforward_layernorm")
    return _llama_like(family, mid="pre_feedforward_layernorm", contrib=norms)


def _gpt2() -> Architecture:
    block = "transformer.h.{layer}"
    taps = {
        "resid_pre": Tap(block, "input"),
        "resid_mid": Tap(f"{block}.ln_2", "input"),
        "resid_post": Tap(block, "output"),
        "attn_out": Tap(f"{block}.attn", "output"),
        "mlp_out": Tap(f"{block}.mlp", "output"),
        "attn_contrib": Tap(f"{block}.attn", "output"),
        "mlp_contrib": Tap(f"{block}.mlp", "output"),
        "k": Tap(f"{block}.attn.c_attn", "output", "k"),
        "v": Tap(f"{block}.attn.c_attn", "output", "v"),
    }
    return Architecture("gpt2", "transformer.h", "transformer.wte", "transformer.ln_f", taps)


ARCHITECTURES: dict[str, Architecture] = {
    "qwen2": _pre_norm("qwen2"),
    "qwen3": _pre_norm("qwen3"),
    "llama": _pre_norm("llama"),
    "mistral": _pre_norm("mistral"),
    "phi3": _pre_norm("phi3", fused="qkv_proj"),
    "gemma2": _sandwich_norm("gemma2"),
    "gemma3_text": _sandwich_norm("gemma3_text"),
    "gpt2": _gpt2(),
}


def architecture_of(family: str) -> Architecture:
    """The table of a family; ToolUnsupported names the known ones."""
    if family not in ARCHITECTURES:
        raise ToolUnsupported(
            "unknown-family",
            f"no architecture table for family {family!r}",
            f"known: {', '.join(sorted(ARCHITECTURES))}",
        )
    return ARCHITECTURES[family]
