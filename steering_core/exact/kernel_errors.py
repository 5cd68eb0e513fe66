"""Errors of single operators against float64."""

from collections.abc import Callable

import torch
from torch import Tensor

from steering_core.models.model import LoadedModel

ROWS, KEYS = 960, 40


def kernel_errors(model: LoadedModel) -> dict[str, float]:
    """{operator: largest |difference| to float64 on random numbers of a model's shapes and dtype}."""
    spec, heads = model.spec, model.spec.heads
    wide = random(model, ROWS, spec.hidden)
    scores, values = random(model, heads, KEYS, KEYS).softmax(-1), random(model, heads, KEYS, spec.head_dim)
    operators: dict[str, tuple[Callable[..., Tensor], tuple[Tensor, ...]]] = {
        "mm": (torch.mm, (wide, random(model, spec.mlp, spec.hidden).t() / spec.hidden**0.5)),
        "bmm": (torch.bmm, (scores, values)),
        "mean": (lambda x: x.mean(-1), (wide.float(),)),
        "softmax": (lambda x: x.softmax(-1), (wide.float(),)),
        "log_softmax": (lambda x: x.log_softmax(-1), (wide.float(),)),
    }
    return {name: deviation(operator, tensors) for name, (operator, tensors) in operators.items()}


def deviation(operator: Callable[..., Tensor], tensors: tuple[Tensor, ...]) -> float:
    """Largest |difference| between an operator's result and its result in float64."""
    true = operator(*(tensor.double() for tensor in tensors))
    return float((operator(*tensors).double() - true).abs().max())


def random(model: LoadedModel, *shape: int) -> Tensor:
    """Standard normal numbers, the same at every call, on a model's device and in its dtype."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, generator=generator).to(model.device, model.dtype)
