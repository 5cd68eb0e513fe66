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
_FEW = 0.25
"""Share of the rows below which what holds for them is chance."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """values[i, j] is token `tokens[i, j]` of row `rows[i]`; `token` and `row` say it in words. support: share of the
    compared rows for which that holds."""

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
    def faults(self) -> int:
        """How many of token and row are not as asked."""
        return (self.token != "last") + (self.row != "own")


def alignments(layout: Layout, source: Tensor, batch: TokenBatch) -> list[Alignment]:
    """The best-supported alignments, fewest faults first, and the asked one; source: float64 [batch, seq + 2, w]."""
    batch = batch.to("cpu")
    picks, hits = _hits(layout, source, batch)
    if not bool(hits.any()):
        return _as_asked(layout, batch)
    scored: list[Alignment] = []
    for row, rows in _row_maps(layout, picks, hits):
        held = hits[torch.arange(len(picks)), rows[picks[:, 0]]]
        if scored and float(held.any(-1).float().mean()) < max(each.support for each in scored):
            continue  # not even with the best token for each pick
        for token, tokens in _token_maps(layout, picks, held, rows, batch):
            scored.append(Alignment(token, row, rows, tokens, _support(picks, held, tokens)))
            if scored[-1].support == 1 and scored[-1].faults == 0:
                return scored[-1:]
        # Every row is explained by its own prompt's row: no other one can explain it with fewer faults.
        if row == "own" and any(each.support == 1 for each in scored):
            break
    most = max(each.support for each in scored)
    best = [each for each in scored if each.support == most] if most >= _FEW else []
    return _distinct([*sorted(best, key=lambda each: each.faults), *_as_asked(layout, batch)])


def _hits(layout: Layout, source: Tensor, batch: TokenBatch) -> tuple[Tensor, Tensor]:
    """Picks that are not constant, which may come from anywhere, [n, 2]; bool [n, batch, seq + 2]: what they look like."""
    picks = layout.picks(batch)
    probes = standardized(finite(layout.values[picks[:, 0], picks[:, 1]]))
    varies = probes.any(-1)
    similar = (probes[varies] @ standardized(source).flatten(0, 1).T).abs()
    best = similar.amax(-1, keepdim=True)
    hits = (similar >= best - _EQUAL) & (best > 0.5)
    return picks[varies.cpu()], hits.cpu().view(-1, *source.shape[:2])


def _distinct(found: list[Alignment]) -> list[Alignment]:
    """Those that come first of each that say the same in other words, and no more than a few."""
    distinct: list[Alignment] = []
    for each in found:
        if not any(torch.equal(each.rows, known.rows) and torch.equal(each.tokens, known.tokens) for known in distinct):
            distinct.append(each)
    return distinct[:_TIED]


def _as_asked(layout: Layout, batch: TokenBatch) -> list[Alignment]:
    """Nothing moved, if the shape allows it: a constant that was added to every row hides what the rows are."""
    tokens = torch.arange(batch.ids.shape[1]).expand(len(batch.ids), -1)
    rows = torch.arange(len(batch.ids))
    if layout.values.shape[:2] == batch.ids.shape:
        return [Alignment("last", "own", rows, tokens.where(batch.mask.bool(), -1))]
    return [Alignment("last", "own", rows, batch.last[:, None])] if layout.values.shape[:2] == (len(rows), 1) else []


def _support(picks: Tensor, held: Tensor, tokens: Tensor) -> float:
    token = tokens[picks[:, 0], picks[:, 1]]
    return float((held[torch.arange(len(picks)), token.clamp(min=0)] & (token >= 0)).float().mean())


def _row_maps(layout: Layout, picks: Tensor, hits: Tensor) -> Iterator[tuple[str, Tensor]]:
    """hits: bool [n, batch, seq + 2], which tokens look like which pick. A padding token looks like any other one."""
    count, batch = layout.values.shape[0], hits.shape[1]
    votes = torch.zeros(count, batch).index_add_(0, picks[:, 0], hits.any(-1).float())
    if count == batch:
        yield "own", torch.arange(batch)
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
    layout: Layout, picks: Tensor, held: Tensor, rows: Tensor, batch: TokenBatch
) -> Iterator[tuple[str, Tensor]]:
    """held: bool [n, seq + 2], the hits of each pick in the row that it is taken from."""
    count, seq = layout.values.shape[1], batch.ids.shape[1]
    mask, last = batch.mask[rows].bool(), batch.last[rows]
    which, token = held[:, :seq].nonzero(as_tuple=True)
    if count > 1:
        yield from _position_maps(count, mask, token - picks[which, 1])
    first = mask.long().argmax(-1)
    suffix = " at every position" if count > 1 else ""
    for tokens in _single_tokens(picks[which, 0], token, first, last, seq):
        yield _name(tokens, first, last, mask) + suffix, tokens[:, None].expand(-1, count)
    for name, index in (("mean over tokens", seq), ("mean over tokens, padding included", seq + 1)):
        yield name, torch.full((len(rows), count), index)


def _position_maps(count: int, mask: Tensor, shifts: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Every position holds a token of its own; shifts: how far each hit is from where it was found."""
    seq = mask.shape[1]
    here = torch.arange(count)[None].expand(len(mask), -1)
    yield "last", _only_real(here + seq - count, mask)
    for shift, _ in Counter(shifts.tolist()).most_common(2):
        if shift != seq - count:
            name = f"shifted by {shift:+d}" if count == seq else f"tokens {shift} to {shift + count - 1}"
            yield name, _only_real(here + shift, mask)
    if count == seq and not bool(mask.all()):
        length, first = mask.sum(-1, keepdim=True), mask.long().argmax(-1, keepdim=True)
        yield "padding moved to the right", torch.where(here < length, here + first, -1)
        yield "padding moved to the left", torch.where(here >= seq - length, here + first - (seq - length), -1)
    yield "reversed", _only_real(seq - 1 - here, mask)


def _single_tokens(row: Tensor, token: Tensor, first: Tensor, last: Tensor, seq: int) -> Iterator[Tensor]:
    """One token per row: the last, the first, or as far from either end, or from column 0, as most hits are."""
    yield from (last, first)
    for origin in (last, first, torch.zeros_like(first)):
        for away, _ in Counter((token - origin[row]).tolist()).most_common(2):
            yield (origin + away).clamp(0, seq - 1)


def _name(tokens: Tensor, first: Tensor, last: Tensor, mask: Tensor) -> str:
    pads = int((~mask[torch.arange(len(tokens)), tokens]).sum())
    if pads:
        return "pad" if pads == len(tokens) else f"pad in {pads} of {len(tokens)} rows"
    from_last, from_first = (last - tokens).tolist(), (tokens - first).tolist()
    names = [(from_last[0], "last" if from_last[0] == 0 else f"{from_last[0]} before the last")] * _same(from_last)
    names += [(from_first[0], "first" if from_first[0] == 0 else f"token {from_first[0]}")] * _same(from_first)
    return min(names)[1] if names else f"column {int(tokens[0])}"


def _same(values: list[int]) -> bool:
    return len(set(values)) == 1


def _only_real(tokens: Tensor, mask: Tensor) -> Tensor:
    inside = (tokens >= 0) & (tokens < mask.shape[1])
    return torch.where(inside & mask.gather(1, tokens.clamp(0, mask.shape[1] - 1)), tokens, -1)
