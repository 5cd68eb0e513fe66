"""Reading beside a user's hook, and beside a second model: what a tool returns, and what is true."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from steering_core.hosts.interference import with_added
from steering_core.localize.capture import read_sites
from steering_core.measure.experiment import Experiment
from steering_core.measure.steering import random_direction
from steering_core.models.altered_copy import altered_copy
from steering_core.models.model import LoadedModel
from steering_core.models.shared_copy import sharing_copy
from steering_core.tools.tool import Tool


@dataclass(eq=False)
class Interference:
    """Of one model's tools. Every result has `expected`: what independent captures see, [batch, seq, hidden]."""

    experiment: Experiment

    def beside_hook(self, tool: Tool, *, first: bool) -> dict[str, Any]:
        """`values` of two reads beside a hook of the user's on the block before the tested one, and how often it `fired` in each.
        first: it was there before the tool first saw the model."""
        experiment = self.experiment
        norm = float(experiment.true_direction().norm())
        vector = random_direction(experiment.model.spec.hidden, norm, seed=2).to(experiment.model.device)
        asked = {**self._asked(), "block": max(experiment.settings.layer - 1, 0), "vector": vector}
        model = self._copy()
        model.blocks[asked["block"]].register_forward_hook(lambda module, args, output: with_added(output, vector))
        return {**experiment.perform(tool, "beside_hook", **asked, first=first), "expected": self._truth(model)}

    def beside_model(self, tool: Tool, turns: Sequence[int]) -> dict[str, Any]:
        """`values` of the first model (0) and of another one (1), in turn; `expected` has one for each."""
        model = self._copy()
        other = replace(model, module=altered_copy(model))
        values = self.experiment.perform(tool, "beside_model", **self._asked(), turns=list(turns))
        return {"values": values, "expected": [self._truth(model), self._truth(other)]}

    def _asked(self) -> dict[str, Any]:
        return {"batch": self.experiment.extraction, "site": self.experiment.site}

    def _copy(self) -> LoadedModel:
        return replace(self.experiment.model, module=sharing_copy(self.experiment.pristine))

    def _truth(self, model: LoadedModel) -> Tensor:
        site = self.experiment.site
        return read_sites(model, self.experiment.extraction, [site])[site]
