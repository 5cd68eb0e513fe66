"""Where in a model a tensor lives: a stream and a 0-based block index."""

from dataclasses import dataclass

from steering_core.errors import UsageProblem

STREAMS = (
    *("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out"),
    *("attn_contrib", "mlp_contrib", "k", "v", "final_norm"),
)
"""`resid_post` is the output of a block, before any later norm. `*_contrib` is what is actually added to the residual
stream. `final_norm` exists once, after the last block."""


@dataclass(frozen=True, order=True)
class Site:
    """`Site("resid_post", 16)` is the residual stream after block 16; `str()` gives `resid_post@16`."""

    stream: str
    layer: int

    def __post_init__(self) -> None:
        if self.stream not in STREAMS:
            raise UsageProblem("site-stream", f"unknown stream {self.stream!r}", f"known: {', '.join(STREAMS)}")
        if self.layer < 0:
            raise UsageProblem("site-layer", f"negative block index {self.layer}", "count blocks from 0")

    def __str__(self) -> str:
        return f"{self.stream}@{self.layer}"
