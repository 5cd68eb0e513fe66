"""The fit of both gradient methods: a unit vector is moved to separate the projected class means.

The loss sees the rows only through the difference of their means, d: -(d @ v/|v|) + 0.01 |v|. Its direction is best where
v is parallel to d, so the optimum is the normalized difference of means.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from steering_core.errors import EmptyMeasurement, SuiteError

if TYPE_CHECKING:
    from torch import Tensor

SEED = 42
"""The source sets none, so that its result differs from run to run."""
LEARNING_RATE, PENALTY, STEPS = 0.01, 0.01, 100
TOLERANCE = 1e-6
"""Converged: the part of the gradient that turns v is at most this share of |d|; the angle to the optimum is as small."""


def ascend(harmful: "Tensor", harmless: "Tensor", steps: int = STEPS, seed: int = SEED) -> "Tensor":
    """`steps` of Adam from a seeded N(0, I): unit vector, float64 [hidden]."""
    gap, vector = _start(harmful, harmless, seed)
    optimizer = torch.optim.Adam([vector], lr=LEARNING_RATE)
    loss = _loss(vector, gap, PENALTY)
    for _ in range(steps):
        optimizer.step(loss)
    return vector / vector.norm()


def ascend_until_converged(harmful: "Tensor", harmless: "Tensor", limit: int = 1000, seed: int = SEED) -> "Tensor":
    """The same loss until v no longer turns: unit vector, float64 [hidden]; SuiteError after `limit` iterations.

    L-BFGS takes Adam's place, and the penalty of the length is left out: it does not depend on the direction, and with it
    the loss is smallest at length 0, where there is no direction.
    """
    gap, vector = _start(harmful, harmless, seed)
    settings = {"max_iter": limit, "tolerance_grad": 0.0, "tolerance_change": 0.0, "line_search_fn": "strong_wolfe"}
    optimizer = torch.optim.LBFGS([vector], **settings)  # type: ignore[arg-type]
    optimizer.step(_loss(vector, gap / gap.norm(), 0.0))
    unit = vector / vector.norm()
    turning = float((gap - (gap @ unit) * unit).norm() / gap.norm())
    if not turning <= TOLERANCE or float(gap @ unit) <= 0:
        sentence = f"the gradient still turns the direction by {turning:.3g} after {limit} iterations"
        raise SuiteError("not-converged", sentence, f"allowed: {TOLERANCE:g}; check the rows")
    return unit


def _start(harmful: "Tensor", harmless: "Tensor", seed: int) -> "tuple[Tensor, Tensor]":
    gap = harmful.double().mean(0).cpu() - harmless.double().mean(0).cpu()
    if not bool(gap.any()):
        raise EmptyMeasurement("zero-direction", "both class means are equal: no gradient", "check prompts and site")
    start = torch.randn(len(gap), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return gap, start


def _loss(vector: "Tensor", gap: "Tensor", penalty: float) -> Callable[[], "Tensor"]:
    """What an optimizer asks for: the loss at the vector, whose gradient is left there. Written out: autograd takes most of
    the time of so small a function."""

    def evaluate() -> "Tensor":
        length = vector.norm()
        unit = vector / length
        gain = gap @ unit
        vector.grad = penalty * unit - (gap - gain * unit) / length
        return penalty * length - gain

    return evaluate
