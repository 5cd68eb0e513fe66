"""From a few tensors that resemble the returned one to the one that explains it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from steering_core.localize.alignment import Alignment, alignments
from steering_core.localize.layouts import Layout
from steering_core.localize.rows import cuts, finite, mean_weights
from steering_core.localize.search import Finalist
from steering_core.localize.tensor_names import Label
from steering_core.localize.transforms import Match, explain_values
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch

_NEAR, _APART, _ROUNDING = 2e-3, 4.0, 1e-5
_UNLIKE = 0.5
"""Similarity is that of the best rows, and an explanation holds for at least half of the rows."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """The returned tensor as rows, tokens, columns (`part`) and transforms of one finalist."""

    finalist: Finalist
    layout: Layout
    alignment: Alignment
    part: str
    match: Match

    @property
    def cost(self) -> tuple[bool, bool, float, float, int]:
        """Smaller is better: exact, then exact for most rows, then close, then for more rows, then with fewer mismatches."""
        match, changes = self.match, (self.part, self.layout.difference, *self.match.transforms)
        mismatches = self.alignment.mismatches + sum(map(bool, changes))
        unsupported = round(1 - self.alignment.support, 2)
        return (not match.exact, match.complete, round(match.gap, 9), unsupported, mismatches)

    def convinces(self, others: Sequence["Explanation"]) -> bool:
        """Exact, or exact for most rows, or close and much closer than any other tensor."""
        if self.match.exact or not self.match.complete:
            return True
        rivals = [other.match.gap for other in others if other.finalist is not self.finalist]
        return self.match.gap <= _NEAR and _APART * self.match.gap <= min(rivals, default=1.0)

    def is_clear_of(self, rival: float) -> bool:
        """Close, while the next tensor (1 - its similarity) is not nearly as close."""
        return self.match.gap <= _NEAR and max(_APART * self.match.gap, _ROUNDING) <= rival

    def named(self, requested: Site) -> tuple[Label, tuple[str, ...]]:
        """The best of the tensor's labels, and the other names worth mentioning."""
        best = min(self.finalist.labels, key=lambda label: _preference(label, requested))
        if best.site and best.site.stream == requested.stream:
            return best, ()
        streams = [label for label in self.finalist.labels if label.site and not label.transforms]
        return best, tuple(label.text for label in streams if label is not best)


def explanations(finalists: Sequence[Finalist], layouts: Sequence[Layout], batch: TokenBatch) -> Iterator[Explanation]:
    """Finalists, best first, under every layout, cut and alignment that their shape allows, until one suffices."""
    rivals = [*[finalist.gap for finalist in finalists[1:]], 1.0]
    for finalist, rival in zip(finalists, rivals, strict=False):
        hidden = finite(finalist.hidden)
        source = torch.cat([hidden, mean_weights(batch.mask.to(hidden.device), hidden.dtype) @ hidden], -2)
        tried: list[Explanation] = []
        for layout in layouts:
            tried += _readings(finalist, source, layout, batch)
            if tried and tried[-1].match.exact and tried[-1].alignment.mismatches == 0:
                break
        yield from tried
        if rival > _UNLIKE or any(each.match.exact or each.is_clear_of(rival) for each in tried):
            return


def _readings(finalist: Finalist, source: Tensor, layout: Layout, batch: TokenBatch) -> Iterator[Explanation]:
    """One layout under every cut, until one is exact; source: float64 [batch, seq + 2, width]."""
    for part, columns in cuts(source.shape[-1], layout.width):
        for alignment in alignments(layout, source[..., columns], batch):
            returned, values = alignment.pairs(layout, source[..., columns])
            if len(returned):
                match = explain_values(returned, values, finalist.hidden.dtype)
                yield Explanation(finalist, layout, alignment, part, match)
                if match.exact:
                    return


def _preference(label: Label, requested: Site) -> tuple[bool, ...]:
    """The requested stream first, then streams as they are, then normed ones; contributions and outputs before inputs."""
    site = label.site
    if site is None:
        return (True, True, True, True)
    return (
        site.stream != requested.stream,
        bool(label.transforms),
        not site.stream.endswith(("_contrib", "_post")),
        not site.stream.startswith("resid"),
    )
