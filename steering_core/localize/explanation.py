"""From a few tensors that resemble the returned one to the one that explains it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from steering_core.localize.alignment import Alignment, alignments
from steering_core.localize.capture import Label
from steering_core.localize.layouts import Layout
from steering_core.localize.search import Finalist, cuts, finite, with_means
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
    def cost(self) -> tuple[bool, bool, float, int]:
        """Smaller is better: exact, then exact at most rows, then close, then with the fewest faults."""
        faults = self.alignment.faults + len(self.match.words) + bool(self.part) + bool(self.layout.word)
        return (not self.match.exact, self.match.complete, round(self.match.gap, 9), faults)

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
        exact = False
        mask = batch.mask.to(finalist.hidden.device)
        source = with_means(finite(finalist.hidden), mask)
        for layout in layouts:
            for part, columns in cuts(source.shape[-1], layout.width):
                for alignment in alignments(layout, source[..., columns], batch):
                    pairs = alignment.pairs(layout, source[..., columns])
                    if len(pairs[0]):
                        match = explain_values(*pairs, finalist.hidden.dtype)
                        yield Explanation(finalist, layout, alignment, part, match, forward)
                        exact = exact or match.exact
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
