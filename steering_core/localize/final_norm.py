"""The final norm without any hook on it, and its inverse: `hidden_states[-1]` is the last block's output after it."""

import torch
from torch import Tensor

from steering_core.localize.rows import finite
from steering_core.models.model import LoadedModel


class FinalNorm:
    """The model's own norm. Every family's is (row, or row - its mean) / its size * weight + bias."""

    def __init__(self, model: LoadedModel) -> None:
        path = model.architecture.final_norm
        self.norm, self.device, self.width = model.module_at(path), model.device_at(path), model.spec.hidden
        signs = torch.ones(self.width, dtype=model.dtype, device=self.device)
        signs[::2] = -1  # mean 0 and mean square 1: normalizing changes nothing
        up, down = (finite(self.apply(row[None, None])[0, 0].to(model.device)) for row in (signs, -signs))
        self.bias, self.weight = (up + down) / 2, (up - down) / 2 * signs.to(model.device)

    def apply(self, hidden: Tensor) -> Tensor:
        """[batch, seq, hidden] -> the same shape, normed."""
        with torch.no_grad():
            normed: Tensor = type(self.norm).forward(self.norm, hidden.to(self.device))
        return normed.to(hidden.device)

    def invert(self, values: Tensor) -> Tensor:
        """Normed rows, float64 [n, hidden] -> the norm's input, up to the size (and mean) of each row."""
        return finite((values - self.bias) / self.weight)
