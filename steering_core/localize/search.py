"""Which tensors of a forward pass look like the returned one: one matrix product per block, the best few are kept.

Similarity is the absolute correlation of feature rows, so it sees through scaling, a flipped sign and centred rows;
a constant added at every position is seen through by comparing rows to their own mean. Everything stays on the
model's device, without waiting for it, until the forward is over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from steering_core.localize.capture import Candidate, Label
from steering_core.localize.layouts import Layout
from steering_core.localize.rows import cuts, finite, means, standardised
from steering_core.tokens import TokenBatch

KEPT = 8
"""Tensors of one forward and width that are kept for a closer look, aliases counted apart."""
FINALISTS = 4
_CLOSE = 1e-4
_TINY = 1e-30
_CHUNK = 2**25


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
        self.weights = (self.standard.abs().amax(-1) > 0).double()
        self.weights /= self.weights.sum().clamp(min=1)
        self.where: Tensor | None = None
        if (rows, tokens) == batch.ids.shape:
            self.where = picks[:, 0] * tokens + picks[:, 1]
        elif (rows, tokens) == (len(batch.ids), 1):
            self.where = picks[:, 0] * batch.ids.shape[1] + batch.last.cpu()[picks[:, 0]]
        if self.where is not None:
            self.where = self.where.to(self.values.device)

    def gaps(self, stack: Tensor, averages: Tensor) -> Tensor:
        """stack: [candidates, m, width]; averages: [candidates, k, width] -> [candidates]: 1 - similarity.

        The probes have mean 0, so the means of the rows need not be subtracted. A part of the features is compared as
        a probe that is 0 in the others.
        """
        parts = [columns for _, columns in cuts(stack.shape[-1], self.width)]
        probes = self.standard.new_zeros(len(parts), len(self.standard), stack.shape[-1])
        for probe, columns in zip(probes, parts, strict=True):
            probe[:, columns] = self.standard
        flat = probes.flatten(0, 1).to(stack.dtype)
        products = torch.cat([flat @ rows.transpose(-1, -2) for rows in (stack, averages)], -1)
        size = torch.cat([_sizes(rows, parts) for rows in (stack, averages)], -1)
        similar = products.view(len(stack), len(parts), -1, size.shape[-1]).abs() / size.clamp(min=_TINY).unsqueeze(-2)
        best = similar.nan_to_num(0.0, 0.0, 0.0).amax(-1)
        gap: Tensor = 1 - (best @ self.weights.to(stack.dtype)).amax(-1)
        return gap if self.where is None else torch.minimum(gap, self._gaps_of_deviations(stack))

    def _gaps_of_deviations(self, stack: Tensor) -> Tensor:
        if self.where is None or len(self.where) < 3 or stack.shape[-1] != self.width:
            return torch.ones_like(stack[:, 0, 0])
        rows = stack[:, self.where].nan_to_num(0.0, 0.0, 0.0)
        theirs = (rows - rows.mean(1, keepdim=True)).flatten(1)
        ours = (self.values - self.values.mean(0)).flatten()
        similar = (theirs @ (ours / ours.norm().clamp(min=_TINY)).to(stack.dtype)).abs()
        gap: Tensor = 1 - similar / theirs.norm(dim=1).clamp(min=_TINY)
        return gap


@dataclass(eq=False)
class _Pool:
    """The best candidates of one width so far: gaps [k], ids [k], hidden [k, batch, seq, width]."""

    gaps: Tensor
    ids: Tensor
    hidden: Tensor


@dataclass(eq=False)
class Search:
    """Takes the candidates of one forward as they come."""

    batch: TokenBatch
    probes: Sequence[Probe]
    _labels: list[list[Label]] = field(default_factory=list)
    _pools: dict[int, _Pool] = field(default_factory=dict)

    @property
    def widths(self) -> set[int]:
        """Numbers of features that a candidate may have."""
        return {probe.width for probe in self.probes}

    def consider(self, found: Sequence[Candidate]) -> None:
        """Compare the candidates of one block with the returned tensor; keep the best."""
        for width in {candidate.hidden.shape[-1] for candidate in found}:
            group = [candidate for candidate in found if candidate.hidden.shape[-1] == width]
            chunk = max(1, _CHUNK // group[0].hidden.numel())
            for start in range(0, len(group), chunk):
                self._compare(width, group[start : start + chunk])

    def finalists(self) -> list[Finalist]:
        """The best distinct tensors, best first; a tensor met twice has the labels of both."""
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

    def _compare(self, width: int, group: Sequence[Candidate]) -> None:
        hidden = torch.stack([candidate.hidden for candidate in group])
        wide = hidden.to(torch.float64 if hidden.dtype == torch.float32 else torch.float32)
        averages = means(wide, self.batch.mask).flatten(1, 2)
        gaps = [probe.gaps(wide.flatten(1, 2), averages) for probe in self.probes if probe.width <= width]
        if not gaps:
            return
        ids = torch.arange(len(self._labels), len(self._labels) + len(group), device=hidden.device)
        self._labels += [candidate.labels for candidate in group]
        fresh = _Pool(torch.stack(gaps).amin(0), ids, hidden)
        self._pools[width] = _best_of(self._pools[width], fresh) if width in self._pools else _best_of(fresh)


def _best_of(*pools: _Pool) -> _Pool:
    gaps = torch.cat([pool.gaps for pool in pools])
    best = gaps.topk(min(KEPT, len(gaps)), largest=False).indices
    ids, hidden = torch.cat([pool.ids for pool in pools]), torch.cat([pool.hidden for pool in pools])
    return _Pool(gaps[best], ids[best], hidden[best])


def _same(left: Tensor, right: Tensor) -> bool:
    return left.shape == right.shape and torch.equal(left, right)


def _sizes(rows: Tensor, parts: Sequence[slice]) -> Tensor:
    """rows: [candidates, m, width] -> [candidates, parts, m]: norm of the centred part of each row."""
    spread = [rows[..., columns].var(-1, unbiased=False) * rows[0, 0, columns].numel() for columns in parts]
    return torch.stack(spread, 1).sqrt()
