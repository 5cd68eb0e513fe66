"""From a few tensors that resemble the returned one to the one that explains it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from steering_core.localize.alignment import Alignment, alignments
from steering_core.localize.capture import Label
from steering_core.localize.layouts import Layout
from steering_core.localize.rows import cuts, finite, shares
from steering_core.localize.search import Finalist
from steering_core.localize.transforms import Match, explain_values
from steering_core.sites import Site
from steering_core.tokens import TokenBatch

_NEAR, _APART = 2e-3, 4.0


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
    """Every finalist under every layout, cut and alignment that its shape allows, until one is exact."""
    for finalist in finalists:
        hidden = finite(finalist.hidden)
        source = torch.cat([hidden, shares(batch.mask.to(hidden.device), hidden.dtype) @ hidden], -2)
        found = [each for layout in layouts for each in _readings(finalist, source, layout, batch, forward)]
        yield from found
        if any(each.match.exact for each in found):
            return


def _readings(
    finalist: Finalist, source: Tensor, layout: Layout, batch: TokenBatch, forward: str
) -> Iterator[Explanation]:
    """One layout under every cut, until one is exact; source: float64 [batch, seq + 2, width]."""
    for part, columns in cuts(source.shape[-1], layout.width):
        exact = False
        for alignment in alignments(layout, source[..., columns], batch):
            returned, values = alignment.pairs(layout, source[..., columns])
            if len(returned):
                match = explain_values(returned, values, finalist.hidden.dtype)
                exact = exact or match.exact
                yield Explanation(finalist, layout, alignment, part, match, forward)
        if exact:
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
