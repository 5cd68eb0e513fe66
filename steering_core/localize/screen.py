"""How much tensors resemble the returned one, a block's at once: correlation with the row that is most like it.

Correlation of features sees through scaling, a flipped sign and centered rows. A constant added at every position is
seen through by comparing what sets rows apart from their mean, and the final norm by undoing it in the returned rows.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from steering_core.localize.final_norm import FinalNorm
from steering_core.localize.layouts import Layout
from steering_core.localize.rows import finite, shares, standardized
from steering_core.models.tokens import TokenBatch

Fold = Callable[[Tensor], Tensor]
_TINY = 1e-30


@dataclass(frozen=True, eq=False)
class _Probe:
    """Rows that are compared with those of a candidate: float64 [n, w], with mean 0 and norm 1.

    normed: the final norm was undone in them. own: the rows of a candidate that they belong to, where each is compared
    with its own alone, and both are taken relative to the mean of all.
    """

    rows: Tensor
    normed: bool = False
    own: Tensor | None = None


def _probes(layout: Layout, batch: TokenBatch, norm: FinalNorm | None, width: int) -> Iterator[_Probe]:
    picks = layout.picks(batch)
    values = finite(layout.values[picks[:, 0], picks[:, 1]])
    if layout.width <= width:
        yield _Probe(standardized(values))
    if layout.width == width:
        if norm and norm.width == width:
            yield _Probe(standardized(norm.undone(values)), normed=True)
        own = layout.positions(picks, batch)
        if own is not None and len(values) > 2:
            yield _Probe(standardized(values - values.mean(0)), own=own)


def _folds(width: int, part: int) -> list[Fold]:
    """How [..., width] holds parts: [..., k, part]. Contiguous ones, and every k-th feature."""
    if part == width:
        return [lambda rows: rows]
    if width % part:
        return [lambda rows: torch.stack([rows[..., :part], rows[..., -part:]], -2)]
    return [lambda rows: rows.unflatten(-1, (-1, part)), lambda rows: rows.unflatten(-1, (part, -1)).mT]


class Screen:
    """The returned tensor in all its readings, made ready for candidates of one width and dtype."""

    def __init__(
        self, batch: TokenBatch, layouts: Sequence[Layout], norm: FinalNorm | None, width: int, dtype: torch.dtype
    ) -> None:
        found = [probe for layout in layouts for probe in _probes(layout, batch, norm, width)]
        parts = sorted({probe.rows.shape[1] for probe in found})
        regions = [[probe for probe in found if probe.rows.shape[1] == part] for part in parts]
        self.regions = [
            (_folds(width, part), torch.cat([probe.rows for probe in region]).T.to(dtype) / part**0.5)
            for part, region in zip(parts, regions, strict=True)
        ]
        probes, device = [probe for region in regions for probe in region], batch.ids.device
        self.mixtures = torch.cat([_means(batch), *_apart(probes, batch)]).to(device, dtype)
        self.foreign = _foreign(probes, batch).to(device)
        self.changes = 1 + any(probe.normed for probe in probes)
        self.weights = _weights(probes, self.changes).to(dtype)

    def gaps(self, stack: Tensor) -> Tensor:
        """stack: [candidates, batch * seq, width], all finite -> [candidates, 1 or 2]: 1 - similarity to the candidate,
        and to the final norm of it."""
        similar = torch.cat([self._similar(stack), self._similar(self.mixtures @ stack)], 1)
        similar.masked_fill_(self.foreign, 0.0)
        gaps: Tensor = 1 - (similar.amax(1) @ self.weights).view(len(stack), self.changes, -1).amax(-1)
        return gaps

    def _similar(self, stack: Tensor) -> Tensor:
        """[candidates, m, width] -> [candidates, m, rows of all probes]: |correlation|, with the best part if several."""
        found = []
        for folds, rows in self.regions:
            each = [(layer_norm(fold(stack), rows.shape[:1], eps=_TINY) @ rows).abs_() for fold in folds]
            found.append(each[0] if each[0].ndim == stack.ndim else torch.cat(each, -2).amax(-2))
        return torch.cat(found, -1) if len(found) > 1 else found[0]


def _means(batch: TokenBatch) -> Tensor:
    """[2 * batch, batch * seq]: the mean over the real tokens of each row, and over all of them."""
    return torch.block_diag(*shares(batch.mask.cpu(), torch.float64))


def _apart(probes: Sequence[_Probe], batch: TokenBatch) -> Iterator[Tensor]:
    """[n, batch * seq] per probe with rows of its own: those rows minus their mean."""
    for probe in probes:
        if probe.own is not None:
            rows = torch.nn.functional.one_hot(probe.own, batch.ids.numel()).double()
            yield rows - rows.mean(0)


def _foreign(probes: Sequence[_Probe], batch: TokenBatch) -> Tensor:
    """bool [batch * seq + mixtures, rows of all probes]: which pairs of rows are not to be compared."""
    plain = batch.ids.numel() + 2 * len(batch.ids)
    own = [probe for probe in probes if probe.own is not None]
    foreign = torch.ones(plain + sum(len(probe.rows) for probe in own), sum(len(each.rows) for each in probes)).bool()
    row, column = plain, 0
    for probe in probes:
        count = len(probe.rows)
        if probe.own is None:
            foreign[:plain, column : column + count] = False
        else:
            foreign[row : row + count, column : column + count] = ~torch.eye(count).bool()
            row += count
        column += count
    return foreign


def _weights(probes: Sequence[_Probe], changes: int) -> Tensor:
    """[rows of all probes, changes * k]: the mean over a probe's rows, but constant ones; the norm's probes come last."""
    column = torch.tensor([probe.normed * len(probes) + index for index, probe in enumerate(probes)])
    rows = column.repeat_interleave(torch.tensor([len(probe.rows) for probe in probes]))
    varies = torch.cat([probe.rows.any(-1) for probe in probes])
    members = torch.nn.functional.one_hot(rows, changes * len(probes)).to(varies.device) * varies[:, None]
    return members / members.sum(0).clamp(min=1)
