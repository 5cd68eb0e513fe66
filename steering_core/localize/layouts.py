"""The ways to read a returned tensor as [batch, seq, width], whatever axes it lost, gained or swapped."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from steering_core.models.tokens import TokenBatch

PROBES = 64
"""Rows of the returned tensor that are compared with every row of every candidate."""
NARROWEST = 4
"""Fewer features than this match anything."""


@dataclass(frozen=True, eq=False)
class Layout:
    """word: how the axes differ from [batch, seq, width] or [batch, width] ("" if they do not).

    values: [b, s, w]; s = 1 where there is no token axis.
    """

    word: str
    values: Tensor

    @property
    def width(self) -> int:
        """Number of features."""
        return self.values.shape[-1]

    def picks(self, batch: TokenBatch) -> Tensor:
        """int64 [n <= 64, 2]: which (row, token) of `values` to compare; no padding where the shape is the batch's."""
        rows, tokens = self.values.shape[:2]
        every = torch.cartesian_prod(torch.arange(rows), torch.arange(tokens))
        if (rows, tokens) == batch.ids.shape:
            every = every[batch.mask.cpu().bool().flatten()]
        if len(every) <= PROBES:
            return every
        ends = every[self._at_the_ends(every, batch)] if (rows, tokens) == batch.ids.shape else every
        return ends[torch.linspace(0, len(ends) - 1, PROBES).long()] if len(ends) > PROBES else ends

    def positions(self, picks: Tensor, batch: TokenBatch) -> Tensor | None:
        """int64 [n]: row * seq + token of each pick in a tensor of the batch's shape, if it is as asked."""
        (rows, tokens), seq = self.values.shape[:2], batch.ids.shape[1]
        if (rows, tokens) == batch.ids.shape:
            return picks[:, 0] * seq + picks[:, 1]
        return picks[:, 0] * seq + batch.last.cpu()[picks[:, 0]] if (rows, tokens) == (len(batch.ids), 1) else None

    def _at_the_ends(self, every: Tensor, batch: TokenBatch) -> Tensor:
        """Which of (row, token) are among the first or last two real tokens of their row."""
        last, first = batch.last.cpu()[every[:, 0]], batch.mask.cpu().argmax(-1)[every[:, 0]]
        return (every[:, 1] - first < 2) | (last - every[:, 1] < 2)


def layouts(returned: Tensor, batch: TokenBatch, widths: set[int], wanted: set[int]) -> list[Layout]:
    """Every reading that could carry features of the model; may be empty.

    widths: numbers of features that tensors of the model have; wanted: those of the residual stream and the asked site.
    """
    readings = [*_as_is(returned, batch), *_rearranged(returned, batch, wanted)]
    return [layout for layout in readings if NARROWEST <= layout.width <= max(widths)]


def _as_is(returned: Tensor, batch: TokenBatch) -> Iterator[Layout]:
    """Readings whose last axis is the features."""
    rows, seq = batch.ids.shape
    if returned.ndim == 1:
        yield Layout("batch and token axes missing", returned[None, None])
    elif returned.ndim == 2:
        yield from _of_matrix(returned, rows, seq)
    elif returned.ndim == 3:
        if tuple(returned.shape[:2]) != (seq, rows) or rows == seq:
            yield Layout("", returned)
        else:
            yield Layout("batch and token axes swapped", returned.transpose(0, 1))
    elif returned.ndim == 4 and tuple(returned.shape[1:3]) == (rows, seq) and len(returned) > 1:
        yield Layout(f"first of {len(returned)} along an extra axis", returned[0])
    elif 1 in returned.shape:
        for layout in _as_is(returned.squeeze(returned.shape.index(1)), batch):
            yield Layout("an extra axis", layout.values)


def _of_matrix(returned: Tensor, rows: int, seq: int) -> Iterator[Layout]:
    count, width = returned.shape
    if count == rows:
        yield Layout("", returned[:, None])
    if count == rows * seq and rows > 1:
        yield Layout("batch and token axes flattened", returned.reshape(rows, seq, width))
        yield Layout("token and batch axes flattened", returned.reshape(seq, rows, width).transpose(0, 1))
    elif count == seq or count != rows:
        yield Layout("batch axis missing", returned[None])


def _rearranged(returned: Tensor, batch: TokenBatch, wanted: set[int]) -> Iterator[Layout]:
    """Readings that move or join axes, where the last axis is not as wide as was wanted."""
    if returned.ndim == 0 or returned.shape[-1] in wanted:
        return
    if returned.ndim == 3 and returned.shape[1] in wanted:
        yield Layout("token and feature axes swapped", returned.transpose(1, 2))
    if returned.ndim == 4:
        yield Layout("features split into heads", returned.flatten(2))
        yield Layout("features split into heads, heads before tokens", returned.transpose(1, 2).flatten(2))
    for width in sorted(wanted, reverse=True):
        if returned.numel() % width == 0:
            for layout in _as_is(returned.reshape(-1, width), batch):
                yield Layout("features split over rows", layout.values)
