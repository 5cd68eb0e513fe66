"""Which tokens of each forward call an edit touches: counted in absolute positions, so that a KV cache, no cache and a
prompt fed in chunks all mean the same."""

from dataclasses import dataclass

import torch
from torch import Tensor

from steering_core.tools.edits import Phase


@dataclass(eq=False)
class Schedule:
    """The edited tokens of one generation, call by call; one object per edited module.

    mask: [batch, prompt], 1 at real tokens. cached: whether a call brings new tokens only, or everything again.
    Prompt tokens belong to the phase "prefill", generated ones to "decode", whichever call carries them.
    """

    mask: Tensor
    phase: Phase = "both"
    cached: bool = True
    seen: int = 0

    def next(self, width: int) -> Tensor:
        """The next forward call carries `width` tokens a row -> bool [batch, width, 1], true where the edit applies."""
        start = self.seen if self.cached else 0
        self.seen = start + width
        prompt = self.mask.shape[1]
        columns = torch.arange(start, start + width, device=self.mask.device)
        real = self.mask[:, start : start + width].bool()
        real = torch.nn.functional.pad(real, (0, width - real.shape[1]), value=True)
        if self.phase != "both":
            real = real & ((columns < prompt) == (self.phase == "prefill"))
        return real.unsqueeze(-1)
