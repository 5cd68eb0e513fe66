"""From a few tensors that resemble the returned one to the one that explains it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from steering_core.localize.alignment import Alignment, alignments
from steering_core.localize.layouts import Layout
from steering_core.localize.rows import cuts, finite, shares
from steering_core.localize.search import Finalist
from steering_core.localize.transforms import Match, explain_values
from steering_core.localize.views import Label
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch

_NEAR, _APART, _ROUNDING = 2e-3, 4.0, 1e-5
_UNLIKE = 0.5
"""Similarity is that of the best rows, and an explanation holds at half of the rows at least."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """The returned tensor as rows, tokens, columns and transforms of one finalist."""

    finalist: Finalist
    layout: Layout
    alignment: Alignment
    part: str
    match: Match
    forward: str

    @property
    def cost(self) -> tuple[bool, bool, float, float, int]:
        """Smaller is better: exact, then exact at most rows, then close, then for more rows and with fewer faults."""
        faults = self.alignment.faults + len(self.match.words) + bool(self.part) + bool(self.layout.word)
        missed = round(1 - self.alignment.support, 2)
        return (not self.match.exact, self.match.complete, round(self.match.gap, 9), missed, faults)

    def convinces(self, others: Sequence["Explanation"]) -> bool:
        """Exact, or mostly exact, or close and much closer than any other tensor."""
        if self.match.exact or not self.match.complete:
            return True
        rivals = [other.match.gap for other in others if other.finalist is not self.finalist]
        return self.match.gap <= _NEAR and _APART * self.match.gap <= min(rivals, default=1.0)

    def is_alone(self, rival: float) -> bool:
        """Close, while the next tensor (1 - its similarity) is not anywhere near as close."""
        return self.match.gap <= _NEAR and max(_APART * self.match.gap, _ROUNDING) <= rival

    def named(self, asked: Site) -> tuple[Label, tuple[str, ...]]:
        """The best of the tensor's names, and those worth mentioning beside it."""
        best = min(self.finalist.labels, key=lambda label: _preference(label, asked))
        if best.site and best.site.stream == asked.stream:
            return best, ()
        streams = [label for label in self.finalist.labels if label.site and label.transform == "none"]
        return best, tuple(label.name for label in streams if label is not best)


def explanations(
    finalists: Sequence[Finalist], layouts: Sequence[Layout], batch: TokenBatch, forward: str
) -> Iterator[Explanation]:
    """Finalists, best first, under every layout, cut and alignment that their shape allows, until one is enough."""
    rivals = [*[finalist.gap for finalist in finalists[1:]], 1.0]
    for finalist, rival in zip(finalists, rivals, strict=False):
        hidden = finite(finalist.hidden)
        source = torch.cat([hidden, shares(batch.mask.to(hidden.device), hidden.dtype) @ hidden], -2)
        found: list[Explanation] = []
        for layout in layouts:
            found += _readings(finalist, source, layout, batch, forward)
            if found and found[-1].match.exact and found[-1].alignment.faults == 0:
                break
        yield from found
        if rival > _UNLIKE or any(each.match.exact or each.is_alone(rival) for each in found):
            return


def _readings(
    finalist: Finalist, source: Tensor, layout: Layout, batch: TokenBatch, forward: str
) -> Iterator[Explanation]:
    """One layout under every cut, until one is exact; source: float64 [batch, seq + 2, width]."""
    for part, columns in cuts(source.shape[-1], layout.width):
        for alignment in alignments(layout, source[..., columns], batch):
            returned, values = alignment.pairs(layout, source[..., columns])
            if len(returned):
                match = explain_values(returned, values, finalist.hidden.dtype)
                yield Explanation(finalist, layout, alignment, part, match, forward)
                if match.exact:
                    return


def _preference(label: Label, asked: Site) -> tuple[bool, ...]:
    """The asked stream first, then plain streams, then normed ones; contributions and outputs before inputs."""
    site = label.site
    if site is None:
        return (True, True, True, True)
    return (
        site.stream != asked.stream,
        label.transform != "none",
        not site.stream.endswith(("_contrib", "_post")),
        not site.stream.startswith("resid"),
    )
