"""Rows of features: which part of them was returned, and how two rows are made comparable."""

from collections.abc import Iterator

import torch
from torch import Tensor

from steering_core.localize.layouts import NARROWEST


def cuts(whole: int, width: int) -> Iterator[tuple[str, slice]]:
    """How `width` features can be a part of `whole` ones: (description, columns)."""
    if width == whole:
        yield "", slice(None)
    elif NARROWEST <= width < whole:
        step = whole // width
        part = "half of features" if 2 * width == whole else f"{width} of {whole} features"
        yield f"first {part}", slice(0, width)
        yield f"last {part}", slice(whole - width, whole)
        if step * width == whole:
            stride = f"every {step}th feature"
            yield ("even features" if step == 2 else stride), slice(0, whole, step)
            yield ("odd features" if step == 2 else f"{stride} from {step - 1}"), slice(step - 1, whole, step)


def finite(values: Tensor) -> Tensor:
    """float64, with 0 for infinities and NaN."""
    return values.double().nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)


def standardized(values: Tensor) -> Tensor:
    """Rows of [..., w] with mean 0 and norm 1; constant rows become 0. Products of two are correlations."""
    centered = values - values.mean(-1, keepdim=True)
    norm = centered.norm(dim=-1, keepdim=True)
    varies = norm > 1e-12 * values.norm(dim=-1, keepdim=True)
    return torch.where(varies, centered / norm.clamp(min=1e-300), 0.0)


def mean_weights(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """mask: [batch, seq] -> [batch, 2, seq]: times [batch, seq, w], the mean over real tokens and over all."""
    real = (mask / mask.sum(-1, keepdim=True)).to(dtype)
    return torch.stack([real, torch.full_like(real, 1 / mask.shape[-1])], -2)
