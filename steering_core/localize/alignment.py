"""Which token and which batch row of a tensor each row of the returned tensor is.

Tokens of a candidate are numbered 0 .. seq - 1; seq is the mean over the real tokens, seq + 1 the mean over all; -1
stands for "not compared" (padding, or shifted in from outside).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from steering_core.localize.layouts import Layout
from steering_core.localize.rows import finite, standardized
from steering_core.models.tokens import TokenBatch

_EQUAL = 1e-9
_TIED = 4
_CHANCE = 0.25
"""Share of the rows below which an alignment that fits them is chance."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """values[i, j] is token `tokens[i, j]` of row `rows[i]`; `token` and `row` describe that. support: share of the
    compared rows for which it holds."""

    token: str
    row: str
    rows: Tensor
    tokens: Tensor
    support: float = 0.0

    def pairs(self, layout: Layout, source: Tensor) -> tuple[Tensor, Tensor]:
        """source: [batch, seq + 2, w] -> the compared rows of the layout and of the source: two of [n, w]."""
        compared = (self.tokens >= 0).to(source.device)
        rows = self.rows[:, None].expand_as(self.tokens).to(source.device)
        return layout.values[compared], source[rows[compared], self.tokens.to(source.device)[compared]]

    @property
    def mismatches(self) -> int:
        """How many of token and row are not as requested."""
        return (self.token != "last") + (self.row != "same")


def alignments(layout: Layout, source: Tensor, batch: TokenBatch) -> list[Alignment]:
    """The best-supported alignments, fewest mismatches first, then the requested one; source: float64 [b, seq + 2, w]."""
    batch = batch.to("cpu")
    sample, hits = _hits(layout, source, batch)
    if not bool(hits.any()):
        return _as_requested(layout, batch)
    scored: list[Alignment] = []
    for row, rows in _row_maps(layout, sample, hits):
        row_hits = hits[torch.arange(len(sample)), rows[sample[:, 0]]]
        if scored and float(row_hits.any(-1).float().mean()) < max(each.support for each in scored):
            continue  # not even with the best token for each sampled row
        for token, tokens in _token_maps(layout, sample, row_hits, rows, batch):
            scored.append(Alignment(token, row, rows, tokens, _support(sample, row_hits, tokens)))
            if scored[-1].support == 1 and scored[-1].mismatches == 0:
                return scored[-1:]
        # Every row is explained by the same row of the candidate: no other one can explain it with fewer mismatches.
        if row == "same" and any(each.support == 1 for each in scored):
            break
    support = max(each.support for each in scored)
    best = [each for each in scored if each.support == support] if support >= _CHANCE else []
    return _distinct([*sorted(best, key=lambda each: each.mismatches), *_as_requested(layout, batch)])


def _hits(layout: Layout, source: Tensor, batch: TokenBatch) -> tuple[Tensor, Tensor]:
    """[n, 2]: sampled rows, but constant ones; bool [n, batch, seq + 2]: the candidate's rows most similar to each."""
    sample = layout.sample(batch)
    values = standardized(finite(layout.values[sample[:, 0], sample[:, 1]]))
    varies = values.any(-1)
    similar = (values[varies] @ standardized(source).flatten(0, 1).T).abs()
    best = similar.amax(-1, keepdim=True)
    hits = (similar >= best - _EQUAL) & (best > 0.5)
    return sample[varies.cpu()], hits.cpu().view(-1, *source.shape[:2])


def _distinct(ordered: list[Alignment]) -> list[Alignment]:
    """The first few, without those that describe an earlier alignment in other words."""
    distinct: list[Alignment] = []
    for new in ordered:
        if not any(torch.equal(new.rows, old.rows) and torch.equal(new.tokens, old.tokens) for old in distinct):
            distinct.append(new)
    return distinct[:_TIED]


def _as_requested(layout: Layout, batch: TokenBatch) -> list[Alignment]:
    """Nothing moved, if the shape allows it: a constant added to every row hides which rows they are."""
    tokens = layout.requested_tokens(batch)
    return [] if tokens is None else [Alignment("last", "same", torch.arange(len(tokens)), tokens)]


def _support(sample: Tensor, row_hits: Tensor, tokens: Tensor) -> float:
    token = tokens[sample[:, 0], sample[:, 1]]
    return float((row_hits[torch.arange(len(sample)), token.clamp(min=0)] & (token >= 0)).float().mean())


def _row_maps(layout: Layout, sample: Tensor, hits: Tensor) -> Iterator[tuple[str, Tensor]]:
    """hits: bool [n, batch, seq + 2], which tokens resemble which sampled row. A padding token resembles any other."""
    count, batch = layout.values.shape[0], hits.shape[1]
    votes = torch.zeros(count, batch).index_add_(0, sample[:, 0], hits.any(-1).float())
    if count == batch:
        yield "same", torch.arange(batch)
    if 1 < count < batch:
        yield f"first {count} rows", torch.arange(count)
    if batch > 1:
        for row in dict.fromkeys([int(votes.sum(0).argmax()), 0, batch - 1]):
            yield f"row {row} only", torch.full((count,), row)
    if count > 1:
        voted = votes.argmax(-1)
        if voted.tolist() != list(range(batch)):
            yield "permuted" if sorted(voted.tolist()) == list(range(batch)) else "mixed", voted


def _token_maps(
    layout: Layout, sample: Tensor, row_hits: Tensor, rows: Tensor, batch: TokenBatch
) -> Iterator[tuple[str, Tensor]]:
    """row_hits: bool [n, seq + 2], the hits of each sampled row in the candidate's row that it is taken from."""
    count, seq = layout.values.shape[1], batch.ids.shape[1]
    mask, last = batch.mask[rows].bool(), batch.last[rows]
    which, token = row_hits[:, :seq].nonzero(as_tuple=True)
    if count > 1:
        yield from _position_maps(count, mask, token - sample[which, 1])
    first = mask.long().argmax(-1)
    suffix = " at every position" if count > 1 else ""
    for tokens in _single_tokens(sample[which, 0], token, first, last, seq):
        yield _name(tokens, first, last, mask) + suffix, tokens[:, None].expand(-1, count)
    for name, index in (("mean over tokens", seq), ("mean over tokens, padding included", seq + 1)):
        yield name, torch.full((len(rows), count), index)


def _position_maps(count: int, mask: Tensor, shifts: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Every position holds a different token; shifts: distance from each sampled row to each of its hits."""
    seq = mask.shape[1]
    position = torch.arange(count)[None].expand(len(mask), -1)
    yield "last", _only_real(position + seq - count, mask)
    for shift, _ in Counter(shifts.tolist()).most_common(2):
        if shift != seq - count:
            name = f"shifted by {shift:+d}" if count == seq else f"tokens {shift} to {shift + count - 1}"
            yield name, _only_real(position + shift, mask)
    if count == seq and not bool(mask.all()):
        length, first = mask.sum(-1, keepdim=True), mask.long().argmax(-1, keepdim=True)
        yield "padding moved to the right", torch.where(position < length, position + first, -1)
        yield "padding moved to the left", torch.where(position >= seq - length, position + first - (seq - length), -1)
    yield "reversed", _only_real(seq - 1 - position, mask)


def _single_tokens(row: Tensor, token: Tensor, first: Tensor, last: Tensor, seq: int) -> Iterator[Tensor]:
    """One token per row: the last, the first, or as far from either end, or from column 0, as most hits are."""
    yield from (last, first)
    for origin in (last, first, torch.zeros_like(first)):
        for distance, _ in Counter((token - origin[row]).tolist()).most_common(2):
            yield (origin + distance).clamp(0, seq - 1)


def _name(tokens: Tensor, first: Tensor, last: Tensor, mask: Tensor) -> str:
    pads = int((~mask[torch.arange(len(tokens)), tokens]).sum())
    if pads:
        return "pad" if pads == len(tokens) else f"pad in {pads} of {len(tokens)} rows"
    from_last, from_first = set((last - tokens).tolist()), set((tokens - first).tolist())
    names = [(n, f"{n} before the last" if n else "last") for n in from_last if len(from_last) == 1]
    names += [(n, f"token {n}" if n else "first") for n in from_first if len(from_first) == 1]
    return min(names, key=lambda each: each[0])[1] if names else f"column {int(tokens[0])}"


def _only_real(tokens: Tensor, mask: Tensor) -> Tensor:
    inside = (tokens >= 0) & (tokens < mask.shape[1])
    return torch.where(inside & mask.gather(1, tokens.clamp(0, mask.shape[1] - 1)), tokens, -1)
