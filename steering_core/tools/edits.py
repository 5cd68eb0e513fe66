"""Interventions as data: what is done to the residual stream, at which site and at which tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from steering_core.errors import EmptyMeasurement
from steering_core.models.sites import Site

Phase = Literal["both", "prefill", "decode"]


@dataclass(frozen=True, eq=False)
class Add:
    """h += coefficient * vector at `site`, at every real (not padding) token of the phase.

    vector: [hidden], any float dtype. The product is taken in float32 and then rounded once to the model's dtype;
    the addition happens in the model's dtype.
    """

    site: Site
    vector: Tensor
    coefficient: float
    phase: Phase = "both"

    def shift(self, like: Tensor) -> Tensor:
        """The vector that is added: [hidden], with the dtype and device of `like`."""
        scaled = self.vector.to(device=like.device, dtype=torch.float32) * self.coefficient
        return scaled.to(like.dtype)

    def apply(self, hidden: Tensor) -> Tensor:
        """hidden: [..., hidden] -> the same shape, shifted."""
        return hidden + self.shift(hidden)


@dataclass(frozen=True, eq=False)
class Ablate:
    """Directional ablation: h -= (h . r) r with unit r (Arditi et al. 2024, section 2.4); product in float32."""

    site: Site
    vector: Tensor
    phase: Phase = "both"

    def apply(self, hidden: Tensor) -> Tensor:
        """hidden: [..., hidden] -> the same shape, without its component along the vector."""
        unit = torch.nn.functional.normalize(self.vector.to(hidden.device, torch.float32), dim=-1)
        wide = hidden.to(torch.float32)
        return (wide - (wide @ unit).unsqueeze(-1) * unit).to(hidden.dtype)


Edit = Add | Ablate


def steering_edits(direction: Tensor, coefficient: float, blocks: Sequence[int]) -> list[Edit]:
    """Add `coefficient * direction` at the output of each block; EmptyMeasurement for a zero or non-finite direction.

    The study adds the unit direction at every block from the tested one on (its phase 1 script).
    """
    if not torch.isfinite(direction).all() or float(direction.norm()) == 0.0:
        raise EmptyMeasurement("zero-direction", "the steering direction is zero or not finite", "check the extraction")
    return [Add(Site("resid_post", block), direction, coefficient) for block in blocks]
