"""What an edit may give if a sum over the features is taken in another order: the results of every float32 arithmetic.

A projection h . r is a sum of `hidden` products, and nothing declares their order: a matrix product takes another one than
an elementwise product and a sum do, and another one for other shapes of a batch. All else of an edit is declared.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from steering_core.observe.expectation import expected_output
from steering_core.records.thresholds import SUM_ORDER
from steering_core.tools.edits import Ablate, Affine, Edit

UNIT = torch.finfo(torch.float32).eps / 2
"""Largest relative error of one rounding to float32."""


class Range(NamedTuple):
    """low, high: [..., hidden], between which every component must lie."""

    low: Tensor
    high: Tensor

    def holds(self, values: Tensor) -> Tensor:
        """values: [..., hidden] -> bool [...], where all components lie in the range."""
        return ((values >= self.low) & (values <= self.high)).all(-1)


def has_sums(edits: Sequence[Edit]) -> bool:
    """Whether an edit takes a sum over the features."""
    return any(isinstance(edit, Ablate | Affine) for edit in edits)


def range_of(hidden: Tensor, edits: Sequence[Edit], tokens_of: Callable[[Edit], Tensor]) -> Range:
    """hidden: [batch, width, hidden] -> what the edits may make of it, in order, each at its tokens: bool [batch, width]."""
    low = high = hidden
    for edit in edits:
        tokens = tokens_of(edit).to(hidden.device)[..., None]
        ends = (
            _projected(Range(low, high), edit) if isinstance(edit, Ablate | Affine) else _ends(Range(low, high), edit)
        )
        low, high = torch.where(tokens, ends.low, low), torch.where(tokens, ends.high, high)
    return Range(low, high)


def _ends(given: Range, edit: Edit) -> Range:
    """Of an edit that works on each feature alone, and keeps or reverses the order of its values."""
    one, other = expected_output(given.low, edit), expected_output(given.high, edit)
    return Range(torch.minimum(one, other), torch.maximum(one, other))


def _projected(given: Range, edit: Ablate | Affine) -> Range:
    """The projection in float64, with what rounding may do to it in float32, rounded once to the dtype of the model."""
    low, high = given.low.double(), given.high.double()
    middle, radius = (low + high) / 2, (high - low) / 2
    vector = edit.vector.to(low.device, torch.float64)
    unit = vector / vector.norm()
    off, shift = middle, torch.zeros_like(vector)
    if isinstance(edit, Affine):
        off, shift = middle - edit.reference.to(low.device, torch.float64), vector * edit.coefficient
    removed = (off @ unit)[..., None] * unit
    exact = middle - removed + shift
    terms = (off * unit).norm(dim=-1, keepdim=True) * vector.numel() ** 0.5
    sums = (radius @ unit.abs())[..., None] + SUM_ORDER * UNIT * terms
    slack = radius + sums * unit.abs() + SUM_ORDER * UNIT * (middle.abs() + removed.abs() + shift.abs())
    ends = Range((exact - slack).to(given.low.dtype), (exact + slack).to(given.low.dtype))
    if edit.features is None:
        return ends
    width = vector.numel()
    chosen = torch.zeros(width, dtype=torch.bool, device=low.device)
    chosen[edit.features.start : edit.features.stop] = True
    return Range(torch.where(chosen, ends.low, given.low), torch.where(chosen, ends.high, given.high))
