"""Which tensors of a forward pass look like the returned one: a matrix product every few, and the best are kept.

Similarity is the absolute correlation of feature rows, so it sees through scaling, a flipped sign and centred rows;
a constant added at every position is seen through by comparing rows to their own mean. Everything stays on the
model's device, without waiting for it, until the forward is over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from steering_core.localize.capture import Candidate, Kind, Label
from steering_core.localize.layouts import Layout
from steering_core.localize.rows import cuts, finite, shares, standardised
from steering_core.tokens import TokenBatch

KEPT = 8
"""Tensors of one forward, width and dtype that are kept for a closer look, aliases counted apart."""
FINALISTS = 4
HELD = 2**26
"""Numbers held at once before they are compared: 128 MiB in half precision."""
_CLOSE = 1e-4
_TINY = 1e-30


@dataclass(eq=False)
class Finalist:
    """A tensor that resembles the returned one, under all its names. gap: 1 - similarity, 0 for the tensor itself."""

    labels: list[Label]
    hidden: Tensor
    gap: float


class Probe:
    """Rows of one reading of the returned tensor, ready to be compared with every row of a candidate."""

    def __init__(self, layout: Layout, batch: TokenBatch) -> None:
        rows, tokens, _ = layout.values.shape
        picks = layout.picks(batch)
        self.width = layout.width
        self.values = finite(layout.values[picks[:, 0], picks[:, 1]])
        self.standard = standardised(self.values)
        self.where: Tensor | None = None
        if (rows, tokens) == batch.ids.shape:
            self.where = (picks[:, 0] * tokens + picks[:, 1]).to(self.values.device)
        elif (rows, tokens) == (len(batch.ids), 1):
            self.where = (picks[:, 0] * batch.ids.shape[1]).to(self.values.device) + batch.last[picks[:, 0]]
        self._screens: dict[tuple[int, torch.dtype], _Screen] = {}

    def screen(self, width: int, dtype: torch.dtype) -> "_Screen":
        """What candidates of this width are compared with, in their dtype; made once."""
        if (width, dtype) not in self._screens:
            self._screens[width, dtype] = _Screen(self, width, dtype)
        return self._screens[width, dtype]


class _Screen:
    """The probes of one width: a part of the features is compared as a probe that is 0 in the others."""

    def __init__(self, probe: Probe, width: int, dtype: torch.dtype) -> None:
        self.parts = [columns for _, columns in cuts(width, probe.width)]
        rows = probe.standard.new_zeros(len(self.parts), len(probe.standard), width)
        for row, columns in zip(rows, self.parts, strict=True):
            row[:, columns] = probe.standard
        self.rows = rows.flatten(0, 1).to(dtype)
        weights = (probe.standard.abs().amax(-1) > 0).to(dtype)
        self.weights = weights / weights.sum().clamp(min=1)
        self.where = probe.where if width == probe.width and len(probe.values) > 2 else None
        deviations = (probe.values - probe.values.mean(0)).flatten()
        self.deviations = (deviations / deviations.norm().clamp(min=_TINY)).to(dtype)

    def gaps(self, stack: Tensor, averages: Tensor) -> Tensor:
        """stack: [candidates, m, width]; averages: [candidates, k, width] -> [candidates]: 1 - similarity.

        The probes have mean 0, so the means of the rows need not be subtracted.
        """
        similar = torch.cat([self._similar(stack), self._similar(averages)], 1)
        gap: Tensor = 1 - (similar.nan_to_num(0.0, 0.0, 0.0).amax(1) @ self.weights).amax(-1)
        return gap if self.where is None else torch.minimum(gap, self._gaps_of_deviations(stack[:, self.where]))

    def _similar(self, rows: Tensor) -> Tensor:
        """rows: [candidates, m, width] -> [candidates, m, parts, probes]: |correlation|."""
        products = (rows.flatten(0, 1) @ self.rows.T).view(*rows.shape[:2], len(self.parts), -1)
        spread = [rows[..., columns].var(-1, unbiased=False) * rows[0, 0, columns].numel() for columns in self.parts]
        return products.abs() / torch.stack(spread, -1).sqrt().clamp(min=_TINY).unsqueeze(-1)

    def _gaps_of_deviations(self, rows: Tensor) -> Tensor:
        rows = rows.nan_to_num(0.0, 0.0, 0.0)
        theirs = (rows - rows.mean(1, keepdim=True)).flatten(1)
        gap: Tensor = 1 - (theirs @ self.deviations).abs() / theirs.norm(dim=1).clamp(min=_TINY)
        return gap


@dataclass(eq=False)
class _Pool:
    """The best candidates of one kind so far: gaps [k], ids [k], hidden [k, batch, seq, width]."""

    gaps: Tensor
    ids: Tensor
    hidden: Tensor


@dataclass(eq=False)
class Search:
    """Takes the candidates of one forward as they come."""

    batch: TokenBatch
    probes: Sequence[Probe]
    _waiting: dict[Kind, list[Candidate]] = field(default_factory=dict)
    _labels: list[list[Label]] = field(default_factory=list)
    _pools: dict[Kind, _Pool] = field(default_factory=dict)
    _shares: Tensor | None = None

    @property
    def widths(self) -> set[int]:
        """Numbers of features that a candidate may have."""
        return {probe.width for probe in self.probes}

    def consider(self, found: Sequence[Candidate]) -> None:
        """Take in the candidates of one block; they are compared, and all but the best dropped, a few at a time."""
        for candidate in found:
            waiting = self._waiting.setdefault(candidate.kind, [])
            waiting.append(candidate)
            if (len(waiting) + 1) * candidate.hidden.numel() > HELD:
                self._compare(candidate.kind)

    def finalists(self) -> list[Finalist]:
        """The best distinct tensors, best first; a tensor met twice has the labels of both."""
        for kind in list(self._waiting):
            self._compare(kind)
        found: list[Finalist] = []
        kept = [
            (gap, index, hidden)
            for pool in self._pools.values()
            for gap, index, hidden in zip(pool.gaps.tolist(), pool.ids.tolist(), pool.hidden, strict=True)
        ]
        for gap, index, hidden in sorted(kept, key=lambda each: each[:2]):
            twin = next((known for known in found if gap - known.gap < _CLOSE and _same(known.hidden, hidden)), None)
            if twin:
                twin.labels += self._labels[index]
            else:
                found.append(Finalist(list(self._labels[index]), hidden, gap))
        return found[:FINALISTS]

    def _compare(self, kind: Kind) -> None:
        group = self._waiting.pop(kind)
        width, hidden = kind[0], torch.stack([candidate.hidden for candidate in group])
        wide = hidden.to(torch.float64 if hidden.dtype == torch.float32 else torch.float32)
        if self._shares is None or self._shares.dtype != wide.dtype:
            self._shares = shares(self.batch.mask, wide.dtype)
        rows, averages = wide.flatten(1, 2), (self._shares @ wide).flatten(1, 2)
        gaps = [probe.screen(width, wide.dtype).gaps(rows, averages) for probe in self.probes if probe.width <= width]
        if not gaps:
            return
        ids = torch.arange(len(self._labels), len(self._labels) + len(group), device=hidden.device)
        self._labels += [candidate.labels for candidate in group]
        fresh = _Pool(torch.stack(gaps).amin(0), ids, hidden)
        self._pools[kind] = _best_of(self._pools[kind], fresh) if kind in self._pools else _best_of(fresh)


def _best_of(*pools: _Pool) -> _Pool:
    gaps = torch.cat([pool.gaps for pool in pools])
    best = gaps.topk(min(KEPT, len(gaps)), largest=False).indices
    ids, hidden = torch.cat([pool.ids for pool in pools]), torch.cat([pool.hidden for pool in pools])
    return _Pool(gaps[best], ids[best], hidden[best])


def _same(left: Tensor, right: Tensor) -> bool:
    return left.shape == right.shape and torch.equal(left, right)
