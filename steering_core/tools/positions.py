"""Which tokens of each forward call an edit applies to, counted in absolute positions: the answer is the same with a KV
cache, without one, and when the prompt is fed in chunks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from steering_core.models.transfers import onto
from steering_core.tools.edits import Edit, Phase, Span, tensors_of


@dataclass(eq=False)
class Schedule:
    """The edited tokens of one generation, call by call; one object per edit and generation.

    mask: [batch, prompt], 1 at real tokens. cached: whether a call brings only new tokens, or the whole sequence again.
    positions: those of each row that the edit is limited to; None: all.
    Prompt tokens belong to the phase "prefill" and generated ones to "decode", whichever call carries them.
    """

    mask: Tensor
    phase: Phase = "both"
    cached: bool = True
    seen: int = 0
    positions: Span | None = None

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
        if self.positions is not None:
            lengths = self.mask.sum(1, keepdim=True)
            real = real & self.positions.contains(self._absolute(start + width)[:, start:], lengths)
        return real.unsqueeze(-1)

    def _absolute(self, width: int) -> Tensor:
        """int64 [batch, width], the position of the token in each of the first columns: the number of real ones before it."""
        real = self.mask[:, :width].long()
        return torch.nn.functional.pad(real, (0, width - real.shape[1]), value=1).cumsum(1) - 1


class ScheduledEdits:
    """The edits of one module during one generation, applied in order to its output at every forward call."""

    def __init__(self, edits: Sequence[Edit], mask: Tensor, cached: bool) -> None:
        # The vectors are moved to the GPU once, not at every call, and nothing waits for it.
        moved = [_on_device(edit, mask.device) for edit in edits]
        self.edits = [(edit, Schedule(mask, edit.phase, cached, positions=edit.positions)) for edit in moved]

    def apply(self, hidden: Tensor) -> Tensor:
        """hidden: [batch, seq, hidden] of the next forward call -> the same shape, edited at the scheduled tokens."""
        for edit, schedule in self.edits:
            hidden = torch.where(schedule.next(hidden.shape[1]).to(hidden.device), edit.apply(hidden), hidden)
        return hidden

    def apply_to_output(self, output: Tensor | tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        """The same for the output of a module that returns a tensor, or a tuple that begins with it."""
        return (self.apply(output[0]), *output[1:]) if isinstance(output, tuple) else self.apply(output)


def _on_device(edit: Edit, device: torch.device) -> Edit:
    """The edit with its vectors on a device."""
    moved: dict[str, Any] = {name: onto(each, device) for name, each in tensors_of(edit).items()}
    return replace(edit, **moved)
