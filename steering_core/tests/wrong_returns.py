"""Deliberately wrong returns for `resid_post@1`, each with phrases that its localization must contain.

Each builder gets what a correct tool reads on a batch and returns what a wrong tool might return instead. Most are
wrong in two ways: block 0 was read where block 1 was requested.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch


@dataclass(frozen=True, eq=False)
class Reads:
    """hidden: {site: [batch, seq, width]} of one forward on `batch`; norm: the final norm."""

    hidden: Mapping[Site, Tensor]
    batch: TokenBatch
    norm: Callable[[Tensor], Tensor]

    def __call__(self, stream: str, layer: int) -> Tensor:
        return self.hidden[Site(stream, layer)]

    @property
    def before(self) -> Tensor:
        """One block too early: [batch, seq, hidden]."""
        return self("resid_post", 0)

    @property
    def first(self) -> Tensor:
        """Index of the first real token of each row."""
        return self.batch.mask.argmax(-1)


class Wrong:
    """rows: batch sizes for which the defect exists; side: the padding side that shows it, "" for either."""

    def __init__(
        self, name: str, build: Callable[[Reads], Tensor], *phrases: str, rows: tuple[int, ...] = (1, 3), side: str = ""
    ) -> None:
        self.name, self.build, self.phrases, self.rows, self.side = name, build, phrases, rows, side


MANY = (3,)
EARLY = "off by one block"
EXACT = "bit-equal"


def _at(hidden: Tensor, tokens: Tensor) -> Tensor:
    return hidden[torch.arange(len(hidden)), tokens]


def _real_mean(reads: Reads) -> Tensor:
    mask = reads.batch.mask[..., None].float()
    return (reads.before * mask).sum(1) / mask.sum(1)


def _one_token_everywhere(reads: Reads) -> Tensor:
    return _at(reads.before, reads.first)[:, None].expand_as(reads.before)


def _padded_right(reads: Reads) -> Tensor:
    return torch.stack([row.roll(-int(first), 0) for row, first in zip(reads.before, reads.first, strict=True)])


def _nearly(hidden: Tensor) -> Tensor:
    """The last column is off by rounding; the rest is bitwise identical."""
    return torch.cat([hidden[:, :-1], hidden[:, -1:] * (1 + 1e-6)], 1)


def _zero_last(reads: Reads) -> Tensor:
    hidden = reads.before.clone()
    hidden[torch.arange(len(hidden)), reads.batch.last] = 0
    return hidden


def _ablated(hidden: Tensor) -> Tensor:
    vector = torch.randn(hidden.shape[-1], generator=torch.Generator().manual_seed(3))
    unit = vector / vector.norm()
    ablated: Tensor = hidden - (hidden @ unit)[..., None] * unit
    return ablated


def _steered(hidden: Tensor) -> Tensor:
    return hidden + 300 * torch.randn(hidden.shape[-1], generator=torch.Generator().manual_seed(4))


def _one_row_steered(reads: Reads) -> Tensor:
    return torch.cat([reads.before[:1] + 3, reads.before[1:]])


def _fragments(reads: Reads) -> Tensor:
    return reads.batch.at_last(reads.before).view(len(reads.before), 2, -1)


def _four_errors(reads: Reads) -> Tensor:
    return -reads.batch.at_last(reads.before).roll(1, 0).half().float()


EARLY_SENTENCE = (
    "returned resid_post@0 [last token]; requested resid_post@1 [last token] — "
    "off by one block (cos 1.000000, bit-equal)"
)
FOUR_ERRORS = ("resid_post@0 [last token, permuted]", EARLY, "wrong batch rows", "sign-flipped, float16 round trip")
NEARLY_RIGHT = "returned resid_post@1", "— equal up to rounding (cos 1.0"
STREAMS = [
    Wrong("earlier-block", lambda r: r.before, EARLY_SENTENCE),
    Wrong("later-block", lambda r: r("resid_post", 2), "resid_post@2", EARLY, EXACT),
    Wrong("block-input", lambda r: r("resid_pre", 1), "returned resid_post@0 [last token]", EARLY),
    Wrong("embedding", lambda r: r("resid_pre", 0), "resid_pre@0 [last token]", "another stream"),
    Wrong("between-attention-and-mlp", lambda r: r("resid_mid", 1), "returned resid_mid@1", "another stream"),
    Wrong("attention-contribution", lambda r: r("attn_contrib", 1), "returned attn_contrib@1", "another stream"),
    Wrong("mlp-contribution", lambda r: r("mlp_contrib", 2), "returned mlp_contrib@2", "another stream, off by one"),
    Wrong("keys", lambda r: r("k", 1), "returned k@1", "another stream"),
    Wrong("values", lambda r: r("v", 0), "returned v@0", "another stream, off by one block"),
    Wrong("final-norm", lambda r: r.norm(r("resid_post", 2)), "resid_post@2 after the final norm", ", after the final"),
    Wrong("normed", lambda r: r.norm(r("resid_post", 1)), "resid_post@1 after the final norm", "— after the final"),
]

TOKENS = [
    Wrong("last-token-of-earlier-block", lambda r: r.batch.at_last(r.before), "[last token]", f"{EARLY} (cos"),
    Wrong("first-token", lambda r: _at(r.before, r.first), "[first token]", EARLY, "wrong token", EXACT),
    Wrong("column-0", lambda r: r.before[:, 0], "[pad in 2 of 3 rows]", "wrong token", rows=MANY, side="left"),
    Wrong("column-minus-1", lambda r: r.before[:, -1], "[pad in 2 of 3 rows]", "wrong token", rows=MANY, side="right"),
    Wrong("one-before-last", lambda r: _at(r.before, r.batch.last - 1), "[1 before the last]", "wrong token"),
    Wrong("second-token", lambda r: _at(r.before, r.first + 1), "[token 1]", EARLY, "wrong token", EXACT),
    Wrong("one-token-everywhere", _one_token_everywhere, "[first at every position]", "one token at every position"),
    Wrong("mean-over-tokens", _real_mean, "[mean over tokens]", EARLY, "mean over tokens (cos 1.000000"),
    Wrong("mean-with-padding", lambda r: r.before.mean(1), "[mean over tokens, padding included]", EARLY, rows=MANY),
    Wrong("shifted", lambda r: r.before.roll(1, 1), "[shifted by -1]", f"{EARLY}, shifted by -1", EXACT),
    Wrong("shifted-ahead", lambda r: r.before.roll(-1, 1), "[shifted by +1]", EXACT),
    Wrong("reversed", lambda r: r.before.flip(1), "[reversed]", EXACT),
    Wrong("truncated", lambda r: r.before[:, :-1], "[tokens 0 to ", " rows of "),
    Wrong("repadded", _padded_right, "[padding moved to the right]", f"{EARLY}, padding moved", rows=MANY, side="left"),
]

ROWS = [
    Wrong("row-0-everywhere", lambda r: r.before[:1].expand_as(r.before), "[last token, row 0 only]", EARLY, rows=MANY),
    Wrong("batch-axis-indexed", lambda r: r.before[0], "row 0 only", "batch axis missing: shape [9, ", rows=MANY),
    Wrong("squeezed", lambda r: r.before.squeeze(0), f"{EARLY}, batch axis missing: shape [7, ", rows=(1,)),
    Wrong("permuted", lambda r: r.before.roll(1, 0), "[last token, permuted]", "wrong batch rows", EXACT, rows=MANY),
    Wrong("permuted-last", lambda r: r.batch.at_last(r.before).flip(0), "permuted]", "wrong batch rows", rows=MANY),
    Wrong("one-row", lambda r: r.batch.at_last(r.before)[2], "row 2 only", "batch and token axes missing", rows=MANY),
    Wrong("flattened", lambda r: r.before.flatten(0, 1), "batch and token axes flattened", EARLY, rows=MANY),
    Wrong("swapped-axes", lambda r: r.before.transpose(0, 1), "batch and token axes swapped", EARLY, rows=MANY),
    Wrong("features-before-tokens", lambda r: r.before.transpose(1, 2), "token and feature axes swapped", EARLY),
    Wrong("stacked", lambda r: torch.stack([r.before, r("resid_post", 1)]), "first of 2 along an extra axis", EARLY),
]

VALUES = [
    Wrong("first-half", lambda r: r.before.chunk(2, -1)[0], f"{EARLY}, first half of features", EXACT),
    Wrong("last-half", lambda r: r.before.chunk(2, -1)[1], "last half of features", EXACT),
    Wrong("even-features", lambda r: r.before[..., ::2], "even features", EXACT),
    Wrong("fragments", _fragments, "[last token]", "features split over rows", EARLY),
    Wrong("one-feature", lambda r: r.before[0][:, -1], "[feature ", "feature axis missing", EARLY, EXACT),
    Wrong("through-float16", lambda r: r.before.half().float(), f"{EARLY}, float16 round trip", EXACT),
    Wrong("through-bfloat16", lambda r: r.before.bfloat16().float(), "bfloat16 round trip", EXACT),
    Wrong("as-bfloat16", lambda r: r.before.bfloat16(), "cast to bfloat16", EXACT),
    Wrong("as-integers", lambda r: r.before.long(), "cast to int64", EXACT),
    Wrong("doubled", lambda r: 2 * r.before, f"{EARLY}, scaled by 2.000", EXACT),
    Wrong("scaled-by-1.3", lambda r: -1.3 * r.before, "scaled by -1.300"),
    Wrong("negated", lambda r: -r.before, f"{EARLY}, sign-flipped", EXACT),
    Wrong("negated-through-float16", lambda r: -r.before.half().float(), "sign-flipped, float16 round trip"),
    Wrong("centered", lambda r: r.before - r.before.mean(-1, keepdim=True), f"{EARLY}, centered rows"),
    Wrong("unit-rows", lambda r: torch.nn.functional.normalize(r.before, dim=-1), f"{EARLY}, unit rows"),
    Wrong("steered-alias", lambda r: _steered(r.before), f"{EARLY}, plus a constant vector of norm "),
    Wrong("ablated-alias", lambda r: _ablated(r.before), f"{EARLY}, one direction removed"),
    Wrong("zeroed-last-token", _zero_last, f"{EARLY}, zero at "),
    Wrong("one-row-steered", _one_row_steered, "changed at 7 of 20 tokens", rows=MANY),
    Wrong("four-errors", _four_errors, *FOUR_ERRORS, rows=MANY),
    Wrong("nearly-right", lambda r: _nearly(r("resid_post", 1)), *NEARLY_RIGHT, side="left"),
    Wrong("negated-last", lambda r: -r.batch.at_last(r.before), "resid_post@0 [last token]", "sign-flipped"),
]

WRONG = [*STREAMS, *TOKENS, *ROWS, *VALUES]
