"""Comparing two tensors: how far apart, where, and whether bitwise identical. Cosines are taken in float64.

Tensor methods only: importing this file does not import torch, so collecting the checks stays fast.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steering_core.errors import EmptyMeasurement

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Difference:
    """max_abs: largest |a - b|, at index `where`; infinite where either side is not finite.

    bit_equal: same dtype, same values, and zeros of the same sign.
    """

    max_abs: float
    where: tuple[int, ...]
    bit_equal: bool

    def within(self, atol: float) -> bool:
        """Whether every entry agrees to `atol`, with no relative part."""
        return self.max_abs <= atol


def compare(left: "Tensor", right: "Tensor") -> Difference:
    """Two tensors of one shape; EmptyMeasurement when they are empty or their shapes differ."""
    if left.shape != right.shape or left.numel() == 0:
        sentence = f"shapes {tuple(left.shape)} and {tuple(right.shape)} cannot be compared"
        raise EmptyMeasurement("not-comparable", sentence, "equal, non-empty shapes")
    right = right.to(left.device)
    gap = (left.double() - right.double()).abs().nan_to_num(nan=math.inf, posinf=math.inf)
    same = (left == right) & (left.signbit() == right.signbit())
    found = gap.new_empty(3)  # comes from a GPU at once: for every transfer one waits until it has nothing else to do
    found[0], found[1], found[2] = gap.argmax(), gap.max(), same.all()
    flat, largest, equal = found.tolist()
    where = tuple(int(index) for index in np.unravel_index(int(flat), gap.shape))
    return Difference(largest, where, left.dtype == right.dtype and bool(equal))


def one_minus_cosine(left: "Tensor", right: "Tensor") -> float:
    """1 - cos, in float64, as half the squared distance of the unit vectors: exact near 0, never negative."""
    return float((unit(left).cpu() - unit(right).cpu()).square().sum() / 2)


def cosine(left: "Tensor", right: "Tensor") -> float:
    """Cosine in float64, never above 1."""
    return 1.0 - one_minus_cosine(left, right)


def first_difference(left: "Tensor", right: "Tensor") -> list[int] | None:
    """[row, step] of the earliest step at which two sets of answers, int64 [rows, steps], differ; None when equal."""
    width = min(left.shape[1], right.shape[1])
    different: list[list[int]] = (left[:, :width] != right[:, :width]).nonzero().tolist()
    if different:
        return min(different, key=lambda place: (place[1], place[0]))
    return None if left.shape == right.shape else [0, width]


def unit(vector: "Tensor") -> "Tensor":
    """vector: [hidden] -> float64 unit vector; EmptyMeasurement for a zero or non-finite vector."""
    wide = vector.double()
    norm = float(wide.norm())
    if not math.isfinite(norm) or norm == 0:
        raise EmptyMeasurement("zero-vector", "a zero or non-finite vector has no direction", "check the extraction")
    return wide / norm


def largest_components(left: "Tensor", right: "Tensor", count: int = 5) -> list[list[float]]:
    """[[index, left - right], ...]: the components of two [hidden] vectors that differ most."""
    delta = left.double().cpu() - right.double().cpu()
    top = delta.abs().topk(min(count, delta.numel())).indices
    return [[int(index), float(delta[index])] for index in top]
