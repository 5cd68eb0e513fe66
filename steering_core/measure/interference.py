"""Reading beside a user's hook, and beside a second model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from steering_core.measure.experiment import Experiment
from steering_core.measure.steering import random_direction
from steering_core.tools.tool import Tool


@dataclass(eq=False)
class Interference:
    """Of one model's tools."""

    experiment: Experiment

    def beside_hook(self, tool: Tool, *, first: bool) -> dict[str, Any]:
        """`values` of two reads beside a hook of the user's on the first block, how often it `fired` in each, and the
        `plain` value without it: [batch, seq, hidden]. first: it was there before the tool first saw the model."""
        norm = float(self.experiment.true_direction().norm())
        vector = random_direction(self.experiment.model.spec.hidden, norm, seed=2).to(self.experiment.model.device)
        answer: dict[str, Any] = self.experiment.perform(
            tool, "beside_hook", **self._asked(), block=0, vector=vector, first=first
        )
        return answer

    def beside_model(self, tool: Tool, turns: Sequence[int]) -> list[Tensor]:
        """Reads of the first model (0) and of another one (1), in turn: [batch, seq, hidden] each."""
        values: list[Tensor] = self.experiment.perform(tool, "beside_model", **self._asked(), turns=list(turns))
        return values

    def _asked(self) -> dict[str, Any]:
        return {"batch": self.experiment.extraction, "site": self.experiment.site}
