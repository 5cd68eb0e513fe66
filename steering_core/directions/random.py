"""A random direction of a given norm: the control that any steering result must beat."""

import torch
from torch import Tensor


def random_direction(hidden: int, norm: float, seed: int) -> Tensor:
    """N(0, I) scaled to `norm`: float32 [hidden], the same for the same seed on every device."""
    vector = torch.randn(hidden, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    scaled: Tensor = vector * norm / vector.norm()
    return scaled.float()
