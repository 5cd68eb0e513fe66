"""Which tensors of a forward pass look like the returned one: compared block by block, and the best are kept.

Everything stays on the model's device, without waiting for it, until the forward is over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from steering_core.localize.capture import Candidate, TensorKind
from steering_core.localize.final_norm import FinalNorm
from steering_core.localize.layouts import Layout
from steering_core.localize.screen import Screen
from steering_core.localize.views import Label, Names, labels_of
from steering_core.models.tokens import TokenBatch

KEPT = 8
"""Tensors of one forward, width and dtype that are kept for a closer look, aliases counted apart."""
FINALISTS = 4
HELD = 2**25
"""Numbers, 64 MiB in half precision: blocks with fewer wait for each other, because a comparison takes a GPU less time
than it takes to ask for it. Of larger ones no more than one is held."""
_CLOSE = 1e-4


@dataclass(eq=False)
class Finalist:
    """A tensor that resembles the returned one, under all its names. gap: 1 - similarity, 0 for the tensor itself."""

    labels: list[Label]
    hidden: Tensor
    gap: float

    def is_twin_of(self, other: "Finalist") -> bool:
        """Whether both are one tensor; what is told apart by its gap is not compared."""
        alike = abs(other.gap - self.gap) < _CLOSE and self.hidden.shape == other.hidden.shape
        return alike and torch.equal(self.hidden, other.hidden)


class _Pool:
    """The best candidates of one kind so far. scores: [2, k], gaps and ids; hidden: [k, batch, seq, width]."""

    def __init__(self, like: Tensor, dtype: torch.dtype) -> None:
        self.scores = like.new_full((2, KEPT), 2.0, dtype=dtype)
        self.scores[1] = -1
        self.hidden = like.new_zeros(KEPT, *like.shape[1:])

    def take(self, gaps: Tensor, ids: Tensor, hidden: Tensor) -> None:
        """gaps, ids: [candidates * changes], candidate by candidate; hidden: [candidates, batch, seq, width]."""
        scores = torch.cat([self.scores, torch.stack([gaps, ids])], 1)
        best = scores[0].topk(KEPT, largest=False).indices
        self.scores = scores[:, best]
        changes = len(gaps) // len(hidden)
        source = torch.where(best < KEPT, best, torch.div(best - KEPT, changes, rounding_mode="floor") + KEPT)
        self.hidden = torch.cat([self.hidden, hidden])[source]


@dataclass(eq=False)
class Search:
    """Takes the candidates of one forward as they come, and holds few of them at a time, and the best."""

    batch: TokenBatch
    layouts: Sequence[Layout]
    norm: FinalNorm | None = None
    _waiting: dict[TensorKind, list[Candidate]] = field(default_factory=dict)
    _found: list[tuple[Names, bool]] = field(default_factory=list)
    _pools: dict[TensorKind, _Pool] = field(default_factory=dict)
    _screens: dict[TensorKind, Screen] = field(default_factory=dict)

    @property
    def widths(self) -> set[int]:
        """Numbers of features that a candidate may have."""
        return {layout.width for layout in self.layouts}

    def consider(self, found: Sequence[Candidate]) -> None:
        """Take in the candidates of one block; they are compared, and all but the best dropped, some blocks at a time."""
        for candidate in found:
            self._waiting.setdefault(candidate.kind, []).append(candidate)
        for kind, waiting in list(self._waiting.items()):
            if (len(waiting) + len(found)) * waiting[0].hidden.numel() > HELD:
                self._compare(kind)

    def finalists(self) -> list[Finalist]:
        """The best distinct tensors, best first; a tensor met twice has the labels of both."""
        for kind in list(self._waiting):
            self._compare(kind)
        found: list[Finalist] = []
        kept = [
            (gap, int(index), hidden)
            for pool in self._pools.values()
            for gap, index, hidden in zip(*pool.scores.tolist(), pool.hidden, strict=True) if index >= 0
        ]  # fmt: skip
        for gap, index, hidden in sorted(kept, key=lambda each: each[:2]):
            if len(found) == FINALISTS and gap > found[-1].gap + _CLOSE:
                break
            finalist = self._finalist(gap, index, hidden)
            twin = next((known for known in found if known.is_twin_of(finalist)), None)
            if twin:
                twin.labels += finalist.labels
            elif len(found) < FINALISTS:
                found.append(finalist)
        return found

    def _finalist(self, gap: float, index: int, hidden: Tensor) -> Finalist:
        names, normed = self._found[index]
        if normed and self.norm:
            return Finalist([each.changed("normed") for each in labels_of(names)], self.norm.apply(hidden), gap)
        return Finalist(labels_of(names), hidden, gap)

    def _compare(self, kind: TensorKind) -> None:
        waiting = self._waiting.pop(kind)
        names, hidden = [each.names for each in waiting], torch.stack([each.hidden for each in waiting])
        del waiting  # and with it the copies
        wide = hidden.to(torch.float32 if hidden.element_size() < 4 else torch.float64).nan_to_num_(0.0, 0.0, 0.0)
        if kind not in self._pools:
            self._pools[kind] = _Pool(hidden, wide.dtype)
            self._screens[kind] = Screen(self.batch, self.layouts, self.norm, kind[0], wide.dtype)
        gaps = self._screens[kind].gaps(wide.flatten(1, 2))
        ids = torch.arange(len(self._found), len(self._found) + gaps.numel(), device=wide.device, dtype=wide.dtype)
        self._found += [(each, change > 0) for each in names for change in range(gaps.shape[1])]
        self._pools[kind].take(gaps.flatten(), ids, hidden)
