"""What the tools of `steering_styles` move, and the ways in which they may get it wrong."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from steering_core.models.model import LoadedModel
from steering_core.observe.forward_trace import contribution
from steering_core.tools.edits import Add, Edit

Rows = list[list[int]]
FAULTS = ("strength", "block", "first token", "answers", "last prompt token", "nothing")
"""What a `Mover` does wrong: the amount, one block too early, the first token of every call or the answers or the last
prompt token not moved, nothing moved."""


@dataclass(eq=False)
class Mover:
    """Adds the vectors of edits at real tokens, at the output of a block or of its MLP, or wrongly.

    real, generated, last: bool [batch, width], set before each forward.
    """

    edits: Sequence[Edit]
    inside: bool = False
    fault: str = ""
    real: Tensor = field(default_factory=lambda: torch.zeros(0))
    generated: Tensor = field(default_factory=lambda: torch.zeros(0))
    last: Tensor = field(default_factory=lambda: torch.zeros(0))

    def told(self, real: Tensor, generated: Tensor, last: Tensor) -> None:
        """What the next forward carries; last: the last tokens of prompts."""
        self.real, self.generated, self.last = real, generated, last

    def tokens(self) -> Tensor:
        """bool [batch, width]: the tokens to move."""
        if self.fault == "answers":
            return self.real & ~self.generated
        if self.fault == "last prompt token":
            return self.real & ~self.last
        first = torch.zeros_like(self.real)
        first[:, :1] = self.fault == "first token"
        return self.real & ~first & (self.fault != "nothing")

    def moved(self, hidden: Tensor, edit: Edit) -> Tensor:
        """hidden: [batch, width, hidden] -> the same shape."""
        assert isinstance(edit, Add)
        strength = edit.coefficient * (1.5 if self.fault == "strength" else 1)
        shift = (edit.vector.float() * strength).to(hidden.dtype)
        return torch.where(self.tokens()[..., None], hidden + shift, hidden)

    @contextmanager
    def on(self, model: LoadedModel) -> Iterator["Mover"]:
        """With its hooks on the model, and without gradients."""
        with ExitStack() as stack, model.inference():
            for edit in self.edits:
                number = edit.site.layer - (self.fault == "block")
                module = contribution(model, number) if self.inside else model.blocks[number]
                hook = self._hook(edit)
                stack.callback(module.register_forward_hook(hook).remove)
            yield self

    def _hook(self, edit: Edit) -> Callable[[nn.Module, Any, Any], Any]:
        def hook(module: nn.Module, args: Any, output: Any) -> Any:
            if isinstance(output, tuple):
                return (self.moved(output[0], edit), *output[1:])
            return self.moved(output, edit)

        return hook
