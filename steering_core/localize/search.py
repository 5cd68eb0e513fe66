"""Which tensors of a forward pass look like the returned one: one matrix product per block, the best few are kept.

Similarity is the absolute correlation of feature rows, so it sees through scaling, a flipped sign and centred rows;
a constant added at every position is seen through by comparing rows to their own mean.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from steering_core.localize.capture import Candidate, Label
from steering_core.localize.layouts import NARROWEST, Layout
from steering_core.tokens import TokenBatch

KEPT = 4
"""Tensors of one forward that are kept for a closer look."""
TIE = 1e-12
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
        self.where: Tensor | None = None
        if (rows, tokens) == batch.ids.shape:
            self.where = picks[:, 0] * tokens + picks[:, 1]
        elif (rows, tokens) == (len(batch.ids), 1):
            self.where = picks[:, 0] * batch.ids.shape[1] + batch.last.cpu()[picks[:, 0]]

    def gaps(self, stack: Tensor, mask: Tensor) -> Tensor:
        """stack: float64 [candidates, batch, seq, w] -> float64 [candidates]: 1 - similarity."""
        rows = standardised(with_means(stack, mask)).flatten(1, 2)
        best = (self.standard @ rows.transpose(-1, -2)).abs().amax(-1)
        gap = 1 - (best * self.weights).sum(-1) / self.weights.sum().clamp(min=1)
        if self.where is None or len(self.where) < 3:
            return gap
        return torch.minimum(gap, self._gaps_of_deviations(stack.flatten(1, 2)[:, self.where.to(stack.device)]))

    def _gaps_of_deviations(self, rows: Tensor) -> Tensor:
        theirs = (rows - rows.mean(1, keepdim=True)).flatten(1)
        ours = (self.values - self.values.mean(0)).flatten()
        return 1 - (theirs @ ours).abs() / (theirs.norm(dim=1) * ours.norm()).clamp(min=1e-300)


@dataclass(eq=False)
class Search:
    """Takes the candidates of one forward as they come."""

    batch: TokenBatch
    probes: Sequence[Probe]
    finalists: list[Finalist] = field(default_factory=list)

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
                part = group[start : start + chunk]
                for candidate, gap in zip(part, self._gaps(part), strict=True):
                    self._offer(candidate, gap)

    def _gaps(self, group: Sequence[Candidate]) -> list[float]:
        stack = finite(torch.stack([candidate.hidden for candidate in group]))
        mask = self.batch.mask.to(stack.device)
        gaps = [
            probe.gaps(stack[..., columns], mask)
            for probe in self.probes
            for _, columns in cuts(stack.shape[-1], probe.width)
        ]
        return torch.stack(gaps).amin(0).tolist() if gaps else []

    def _offer(self, candidate: Candidate, gap: float) -> None:
        for known in self.finalists:
            if abs(known.gap - gap) < TIE and torch.equal(known.hidden, candidate.hidden):
                known.labels.append(candidate.label)
                return
        if len(self.finalists) < KEPT or gap < self.finalists[-1].gap:
            self.finalists.append(Finalist([candidate.label], candidate.hidden, gap))
            self.finalists = sorted(self.finalists, key=lambda kept: kept.gap)[:KEPT]


def cuts(whole: int, width: int) -> Iterator[tuple[str, slice]]:
    """How `width` features can be a part of `whole` ones, each with its words."""
    if width == whole:
        yield "", slice(None)
    elif NARROWEST <= width < whole:
        step = whole // width
        part = "half" if 2 * width == whole else f"{width} of {whole}"
        yield f"first {part} of features", slice(0, width)
        yield f"last {part} of features", slice(whole - width, whole)
        if step * width == whole:
            yield ("even features" if step == 2 else f"every {step}th feature"), slice(0, whole, step)
            yield ("odd features" if step == 2 else f"every {step}th feature from {step - 1}"), slice(step - 1, whole, step)


def finite(values: Tensor) -> Tensor:
    """float64, with 0 for what is not a number."""
    return values.double().nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)


def standardised(values: Tensor) -> Tensor:
    """Rows of [..., w] with mean 0 and norm 1; constant rows become 0. Products of two are correlations."""
    centred = values - values.mean(-1, keepdim=True)
    norm = centred.norm(dim=-1, keepdim=True)
    return centred / norm.clamp(min=1e-300) * (norm > 1e-12 * values.norm(dim=-1, keepdim=True))


def with_means(values: Tensor, mask: Tensor) -> Tensor:
    """[..., batch, seq, w] -> [..., batch, seq + 2, w]: the mean over real tokens and over all are appended."""
    share = mask / mask.sum(-1, keepdim=True)
    real = torch.einsum("bs,...bsw->...bw", share.to(values.dtype), values)
    return torch.cat([values, real.unsqueeze(-2), values.mean(-2, keepdim=True)], -2)
