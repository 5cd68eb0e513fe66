"""Which tensors of a forward pass resemble the returned one: compared block by block, keeping only the best.

Everything stays on the model's device, without a synchronization, until the forward has ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from steering_core.localize.capture import Candidate, TensorKind
from steering_core.localize.final_norm import FinalNorm
from steering_core.localize.layouts import Layout
from steering_core.localize.screen import Screen
from steering_core.localize.tensor_names import Label
from steering_core.models.tokens import TokenBatch

KEPT = 8
"""Tensors of one forward, width and dtype that are kept for a closer look, aliases counted separately."""
FINALISTS = 4
BATCHED = 2**25
"""Numbers (64 MiB in half precision) compared at once. Small blocks are batched: launch overhead dominates. Of larger
blocks one at a time is held."""
_CLOSE = 1e-4


@dataclass(eq=False)
class Finalist:
    """A tensor that resembles the returned one, under all its labels. gap: 1 - similarity, 0 for the tensor itself."""

    labels: list[Label]
    hidden: Tensor
    gap: float

    def is_same_tensor(self, other: "Finalist") -> bool:
        """Values are compared only where the gaps do not already tell them apart."""
        alike = abs(other.gap - self.gap) < _CLOSE and self.hidden.shape == other.hidden.shape
        return alike and torch.equal(self.hidden, other.hidden)


class _Shortlist:
    """The best candidates of one kind so far. scores: [2, k], gaps and ids; hidden: [k, batch, seq, width]."""

    def __init__(self, like: Tensor, dtype: torch.dtype) -> None:
        self.scores = like.new_full((2, KEPT), 2.0, dtype=dtype)
        self.scores[1] = -1
        self.hidden = like.new_zeros(KEPT, *like.shape[1:])

    def add(self, gaps: Tensor, ids: Tensor, hidden: Tensor) -> None:
        """gaps, ids: [candidates * variants], candidate by candidate; hidden: [candidates, batch, seq, width]."""
        scores = torch.cat([self.scores, torch.stack([gaps, ids])], 1)
        best = scores[0].topk(KEPT, largest=False).indices
        self.scores = scores[:, best]
        variants = len(gaps) // len(hidden)
        source = torch.where(best < KEPT, best, torch.div(best - KEPT, variants, rounding_mode="floor") + KEPT)
        self.hidden = torch.cat([self.hidden, hidden])[source]


@dataclass(eq=False)
class Search:
    """Compares the candidates of one forward as they come; holds few of them at a time, and the best of each kind."""

    batch: TokenBatch
    layouts: Sequence[Layout]
    norm: FinalNorm | None = None
    _waiting: dict[TensorKind, list[Candidate]] = field(default_factory=dict)
    _compared: list[tuple[list[Label], bool]] = field(default_factory=list)
    _shortlists: dict[TensorKind, tuple[Screen, _Shortlist]] = field(default_factory=dict)

    @property
    def widths(self) -> set[int]:
        """Numbers of features that a candidate may have."""
        return {layout.width for layout in self.layouts}

    def add_block(self, block: Sequence[Candidate]) -> None:
        """Take in the candidates of one block; they are compared, some blocks at a time, and all but the best dropped."""
        for candidate in block:
            self._waiting.setdefault(candidate.kind, []).append(candidate)
        for kind, waiting in list(self._waiting.items()):
            if (len(waiting) + len(block)) * waiting[0].hidden.numel() > BATCHED:
                self._compare(kind)

    def finalists(self) -> list[Finalist]:
        """The best distinct tensors, best first; a tensor captured twice has the labels of both."""
        for kind in list(self._waiting):
            self._compare(kind)
        shortlists = [shortlist for _, shortlist in self._shortlists.values()]
        scored = [row for each in shortlists for row in zip(*each.scores.tolist(), each.hidden, strict=True)]
        finalists: list[Finalist] = []
        for gap, index, hidden in sorted(scored, key=lambda row: row[:2]):
            if index < 0:  # a place on the shortlist that was never filled
                continue
            if len(finalists) == FINALISTS and gap > finalists[-1].gap + _CLOSE:
                break
            finalist = self._finalist(gap, int(index), hidden)
            twin = next((other for other in finalists if other.is_same_tensor(finalist)), None)
            if twin:
                twin.labels += finalist.labels
            elif len(finalists) < FINALISTS:
                finalists.append(finalist)
        return finalists

    def _finalist(self, gap: float, index: int, hidden: Tensor) -> Finalist:
        labels, normed = self._compared[index]
        if normed and self.norm:
            labels = [label._replace(transforms=(*label.transforms, "after the final norm")) for label in labels]
            return Finalist(labels, self.norm.apply(hidden), gap)
        return Finalist(list(labels), hidden, gap)

    def _compare(self, kind: TensorKind) -> None:
        waiting = self._waiting.pop(kind)
        labels, hidden = [each.labels for each in waiting], torch.stack([each.hidden for each in waiting])
        del waiting  # and with it the copies
        wide = hidden.to(torch.float32 if hidden.element_size() < 4 else torch.float64).nan_to_num_(0.0, 0.0, 0.0)
        if kind not in self._shortlists:
            screen = Screen(self.batch, self.layouts, self.norm, kind[0], wide.dtype)
            self._shortlists[kind] = screen, _Shortlist(hidden, wide.dtype)
        screen, shortlist = self._shortlists[kind]
        gaps = screen.gaps(wide.flatten(1, 2))
        first = len(self._compared)
        ids = torch.arange(first, first + gaps.numel(), device=wide.device, dtype=wide.dtype)
        self._compared += [(each, variant > 0) for each in labels for variant in range(gaps.shape[1])]
        shortlist.add(gaps.flatten(), ids, hidden)
