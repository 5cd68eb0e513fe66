"""Forward passes without a model: a residual stream of two blocks in which every number is written down."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from steering_core.directions.scoring.candidates import Candidate, LastTokens, PromptClass
from steering_core.directions.scoring.interventions import Intervention, Stream

HARMFUL, HARMLESS = torch.tensor([1.0, 1.0, 0.0]), torch.tensor([1.0, 0.0, 0.0])
"""What every harmful or harmless prompt has at the last block; they differ along the second axis."""
AXES = {(-2, 0): torch.tensor([0.0, 0.0, 1.0]), (-1, 0): torch.tensor([0.0, 1.0, 0.0])}
"""place -> candidate: the second is the difference of the classes, the first is orthogonal to it."""


@dataclass
class MadePasses:
    """Every step of an intervention acts on the last block's output. logits_of: output [prompts, hidden] -> logits."""

    depth: int = 2
    axes: dict[tuple[int, int], Tensor] = field(default_factory=lambda: dict(AXES))
    refusal_ids: Sequence[int] = (1,)
    logits_of: Callable[[Tensor], Tensor] = lambda output: output
    calls: list[tuple[PromptClass, Intervention]] = field(default_factory=list)

    def candidates(self, stream: Stream) -> list[Candidate]:
        """One per axis."""
        return [Candidate(*place, axis.double(), HARMLESS.double()) for place, axis in self.axes.items()]

    def training(self, prompts: PromptClass) -> LastTokens:
        """The classes are equal at block 0 and differ at block 1."""
        return self._last(prompts, HARMFUL if prompts == "harmful" else HARMLESS)

    def validation(self, prompts: PromptClass, intervention: Intervention = ()) -> LastTokens:
        """Edited as data says."""
        self.calls.append((prompts, intervention))
        hidden = (HARMFUL if prompts == "harmful" else HARMLESS).double()
        for step in intervention:
            unit = step.vector / step.vector.norm()
            hidden = hidden + step.vector if step.action == "add" else hidden - (hidden @ unit) * unit
        return self._last(prompts, hidden)

    def _last(self, prompts: PromptClass, hidden: Tensor) -> LastTokens:
        output = hidden.double().expand(2, -1)
        same = torch.ones_like(output)
        return LastTokens(torch.stack([same, output], 1), self.logits_of(output))
