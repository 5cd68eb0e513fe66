"""The recipes on a CPU, in plain torch. They need one thread: the borders of its threads' chunks move elementwise kernels.

Measured on an AVX-512 machine (MKL, oneDNN; float32 and bfloat16; 11 shapes): a row's product is the same at each of the
16 places of a block, whatever the other rows.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

BLOCK = 16
"""Rows of one product."""
STEPS = float(1 << 40)
"""Exponentials are summed as whole multiples of 1 / STEPS: a sum of integers is exact, so its order cannot matter."""
LANES = 64
"""A multiple of the elements that any vector unit takes at once."""
SCALAR_TAILS = ("silu", "gelu", "sigmoid", "rsqrt")
"""Elementwise operators that compute what does not fill a vector with another formula."""


class CpuRecipes:
    """See `Recipes`."""

    def product(self, left: Tensor, right: Tensor, bias: Tensor | None) -> Tensor:
        """PyTorch's own product, of 16 rows at a time; the last block is filled up with zeros."""
        rows, width = left.shape
        padded = left.new_zeros(-(-rows // BLOCK) * BLOCK, width)
        padded[:rows] = left
        result = left.new_empty(padded.shape[0], right.shape[1])
        for start in range(0, len(padded), BLOCK):
            block, out = padded[start : start + BLOCK], result[start : start + BLOCK]
            if bias is None:
                torch.mm(block, right, out=out)
            else:
                torch.addmm(bias, block, right, out=out)
        return result[:rows]

    def batched_product(self, left: Tensor, right: Tensor) -> Tensor:
        """One summand after the other, each rounded, then added."""
        columns, rows = left.float().unbind(2), right.float().unbind(1)
        total = left.new_zeros(left.shape[0], left.shape[1], right.shape[2], dtype=torch.float32)
        summand = torch.empty_like(total)
        for column, row in zip(columns, rows, strict=True):
            total += torch.mul(column[:, :, None], row[:, None, :], out=summand)
        return total

    def softmax(self, rows: Tensor, log: bool) -> Tensor:
        """The denominator is an exact sum."""
        shifted = rows.float() - rows.float().amax(-1, keepdim=True)
        exponentials = shifted.exp()
        denominator = (exponentials * STEPS).long().sum(-1, keepdim=True).float() / STEPS
        return shifted - denominator.log() if log else exponentials / denominator

    def sums(self, rows: Tensor) -> Tensor:
        """Halves are added to each other, until one column is left."""
        total = rows.float()
        while (width := total.shape[1]) > 1:
            half, odd = width // 2, total[:, width - width % 2 :]
            total = torch.cat([total[:, :half] + total[:, half : 2 * half], odd], dim=1)
        return total[:, 0]


def elementwise() -> dict[str, Callable[..., Tensor]]:
    """{name: implementation} of `SCALAR_TAILS`, on whole vectors only."""
    return {name: _whole(getattr(torch.ops.aten, name).out) for name in SCALAR_TAILS}


def _whole(native: Callable[..., Any]) -> Callable[..., Tensor]:
    def operator(values: Tensor, **options: Any) -> Tensor:
        if not values.is_floating_point():
            return torch.as_tensor(native(values, **options, out=torch.empty(values.shape)))
        filled = values.new_zeros(-(-values.numel() // LANES) * LANES)
        filled[: values.numel()] = values.flatten()
        return torch.as_tensor(native(filled, **options, out=torch.empty_like(filled))[: values.numel()]).view(
            values.shape
        )

    return operator
