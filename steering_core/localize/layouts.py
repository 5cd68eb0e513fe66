"""The ways to read a returned tensor as [batch, seq, width], whatever axes it lost, gained or swapped."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from steering_core.models.tokens import TokenBatch

SAMPLED = 64
"""Rows of the returned tensor that are compared with every row of every candidate."""
NARROWEST = 4
"""Fewer features than this match anything."""


@dataclass(frozen=True, eq=False)
class Layout:
    """difference: how the axes differ from [batch, seq, width] or [batch, width] ("" if they do not).

    values: [b, s, w]; s = 1 where there is no token axis.
    """

    difference: str
    values: Tensor

    @property
    def width(self) -> int:
        """Number of features."""
        return self.values.shape[-1]

    def sample(self, batch: TokenBatch) -> Tensor:
        """int64 [n <= 64, 2]: which (row, token) of `values` to compare; no padding where the shape is the batch's."""
        rows, tokens = self.values.shape[:2]
        places = torch.cartesian_prod(torch.arange(rows), torch.arange(tokens))
        if (rows, tokens) == batch.ids.shape:
            places = places[batch.mask.cpu().bool().flatten()]
            if len(places) > SAMPLED:
                places = places[_near_an_end(places, batch)]
        if len(places) > SAMPLED:
            places = places[torch.linspace(0, len(places) - 1, SAMPLED).long()]
        return places

    def requested_tokens(self, batch: TokenBatch) -> Tensor | None:
        """int64 [b, s]: which token each row of `values` is if nothing moved, -1 for padding; None for other shapes."""
        if self.values.shape[:2] == batch.ids.shape:
            return torch.arange(batch.ids.shape[1]).where(batch.mask.cpu().bool(), -1)
        return batch.last.cpu()[:, None] if self.values.shape[:2] == (len(batch.ids), 1) else None


def _near_an_end(places: Tensor, batch: TokenBatch) -> Tensor:
    """Which (row, token) are among the first or last two real tokens of their row."""
    last, first = batch.last.cpu()[places[:, 0]], batch.mask.cpu().argmax(-1)[places[:, 0]]
    return (places[:, 1] - first < 2) | (last - places[:, 1] < 2)


def layouts(returned: Tensor, batch: TokenBatch, widths: set[int], expected: set[int]) -> list[Layout]:
    """Every reading that could carry features of the model; may be empty.

    widths: numbers of features of the model's tensors; expected: those of the residual stream and the requested site.
    """
    readings = [*_with_features_last(returned, batch), *_rearranged(returned, batch, expected)]
    return [layout for layout in readings if NARROWEST <= layout.width <= max(widths)]


def _with_features_last(returned: Tensor, batch: TokenBatch) -> Iterator[Layout]:
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
        for layout in _with_features_last(returned.squeeze(returned.shape.index(1)), batch):
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


def _rearranged(returned: Tensor, batch: TokenBatch, expected: set[int]) -> Iterator[Layout]:
    """Readings that move or join axes, where the last axis does not have an expected width."""
    if returned.ndim == 0 or returned.shape[-1] in expected:
        return
    if returned.ndim == 3 and returned.shape[1] in expected:
        yield Layout("token and feature axes swapped", returned.transpose(1, 2))
    if returned.ndim == 4:
        yield Layout("features split into heads", returned.flatten(2))
        yield Layout("features split into heads, heads before tokens", returned.transpose(1, 2).flatten(2))
    for width in sorted(expected, reverse=True):
        if returned.numel() % width == 0:
            for layout in _with_features_last(returned.reshape(-1, width), batch):
                yield Layout("features split over rows", layout.values)
