"""How much a block's tensors resemble the returned one: correlation with the most similar row.

Correlation of features ignores scale, sign and centering of rows. A constant added at every position is ignored by
comparing how rows differ from their mean, and the final norm by inverting it in the returned rows.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, one_hot

from steering_core.localize.final_norm import FinalNorm
from steering_core.localize.layouts import Layout
from steering_core.localize.rows import finite, mean_weights, standardized
from steering_core.models.tokens import TokenBatch

Fold = Callable[[Tensor], Tensor]
_TINY = 1e-30


@dataclass(frozen=True, eq=False)
class _SampledRows:
    """Rows of the returned tensor to compare with those of a candidate: float64 [n, w], with mean 0 and norm 1.

    normed: the final norm was inverted in them. partners: [n], the one row of a candidate that each is compared with,
    both relative to the mean of all; None to compare with every row.
    """

    rows: Tensor
    normed: bool = False
    partners: Tensor | None = None


def _sampled_rows(layout: Layout, batch: TokenBatch, norm: FinalNorm | None, width: int) -> Iterator[_SampledRows]:
    sample = layout.sample(batch)
    values = finite(layout.values[sample[:, 0], sample[:, 1]])
    if layout.width <= width:
        yield _SampledRows(standardized(values))
    if layout.width == width:
        if norm and norm.width == width:
            yield _SampledRows(standardized(norm.invert(values)), normed=True)
        tokens = layout.requested_tokens(batch)
        if tokens is not None and len(values) > 2:
            partners = sample[:, 0] * batch.ids.shape[1] + tokens[sample[:, 0], sample[:, 1]]
            yield _SampledRows(standardized(values - values.mean(0)), partners=partners)


def _folds(width: int, part: int) -> list[Fold]:
    """How [..., width] contains parts: [..., k, part]. Contiguous ones, and every k-th feature."""
    if part == width:
        return [lambda rows: rows]
    if width % part:
        return [lambda rows: torch.stack([rows[..., :part], rows[..., -part:]], -2)]
    return [lambda rows: rows.unflatten(-1, (-1, part)), lambda rows: rows.unflatten(-1, (part, -1)).mT]


class Screen:
    """The returned tensor in all its layouts, prepared for comparison with candidates of one width and dtype."""

    def __init__(
        self, batch: TokenBatch, layouts: Sequence[Layout], norm: FinalNorm | None, width: int, dtype: torch.dtype
    ) -> None:
        samples = [sample for layout in layouts for sample in _sampled_rows(layout, batch, norm, width)]
        samples.sort(key=lambda sample: sample.rows.shape[1])
        self.parts: list[tuple[list[Fold], Tensor]] = []
        for part in sorted({sample.rows.shape[1] for sample in samples}):
            rows = torch.cat([sample.rows for sample in samples if sample.rows.shape[1] == part])
            self.parts.append((_folds(width, part), rows.T.to(dtype) / part**0.5))
        self.mixtures = _mixtures(samples, batch).to(batch.ids.device, dtype)
        self.excluded = _excluded(samples, batch).to(batch.ids.device)
        self.variants = 1 + any(sample.normed for sample in samples)
        self.weights = _weights(samples, self.variants).to(dtype)

    def gaps(self, stack: Tensor) -> Tensor:
        """stack: [candidates, batch * seq, width], all finite -> [candidates, 1 or 2]: 1 - similarity to the candidate,
        and to the final norm of it."""
        similar = torch.cat([self._similar(stack), self._similar(self.mixtures @ stack)], 1)
        similar.masked_fill_(self.excluded, 0.0)
        gaps: Tensor = 1 - (similar.amax(1) @ self.weights).view(len(stack), self.variants, -1).amax(-1)
        return gaps

    def _similar(self, stack: Tensor) -> Tensor:
        """[candidates, m, width] -> [candidates, m, all sampled rows]: |correlation|, with the best part if several."""
        correlations = []
        for folds, rows in self.parts:
            folded = [(layer_norm(fold(stack), rows.shape[:1], eps=_TINY) @ rows).abs_() for fold in folds]
            correlations.append(folded[0] if folded[0].ndim == stack.ndim else torch.cat(folded, -2).amax(-2))
        return torch.cat(correlations, -1) if len(correlations) > 1 else correlations[0]


def _mixtures(samples: Sequence[_SampledRows], batch: TokenBatch) -> Tensor:
    """[mixtures, batch * seq]: each row's mean over real tokens, and over all; then partners minus their mean."""
    mixtures = [torch.block_diag(*mean_weights(batch.mask.cpu(), torch.float64))]
    for sample in samples:
        if sample.partners is not None:
            rows = one_hot(sample.partners, batch.ids.numel()).double()
            mixtures.append(rows - rows.mean(0))
    return torch.cat(mixtures)


def _excluded(samples: Sequence[_SampledRows], batch: TokenBatch) -> Tensor:
    """bool [batch * seq + mixtures, all sampled rows]: which pairs of rows are not to be compared."""
    paired = torch.cat([torch.full(sample.rows.shape[:1], sample.partners is not None) for sample in samples])
    unpaired = batch.ids.numel() + 2 * len(batch.ids)
    return torch.cat([paired.expand(unpaired, -1), ~torch.eye(len(paired)).bool()[paired]])


def _weights(samples: Sequence[_SampledRows], variants: int) -> Tensor:
    """[all sampled rows, variants * k]: the mean over a sample's rows, but constant ones; normed samples come last."""
    columns = torch.tensor([sample.normed * len(samples) + index for index, sample in enumerate(samples)])
    rows = columns.repeat_interleave(torch.tensor([len(sample.rows) for sample in samples]))
    varies = torch.cat([sample.rows.any(-1) for sample in samples])
    members = one_hot(rows, variants * len(samples)).to(varies.device) * varies[:, None]
    return members / members.sum(0).clamp(min=1)
