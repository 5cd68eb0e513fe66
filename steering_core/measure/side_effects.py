"""What a tool does besides answering: does its library run, does it own its values, does it leave the model unmodified?"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from steering_core.hosts.hosted_tool import HostedTool
from steering_core.measure.experiment import SOME, Experiment
from steering_core.measure.keys import identity
from steering_core.observe.aspects import ACTIONS, LeftChanged
from steering_core.observe.liveness import library_files
from steering_core.tools.tool import Tool


@dataclass(eq=False)
class SideEffects:
    """Side effects of one model's tools."""

    experiment: Experiment
    _left: dict[tuple[str, ...], dict[str, LeftChanged]] = field(default_factory=dict, init=False)

    def library_calls(self, tool: Tool, halves: Sequence[str] = ACTIONS) -> dict[str, int]:
        """action -> calls of the tool's own library from within the model. halves: what the tool offers."""
        actions = [action for action in ("read", "read again", "generate") if action.partition(" ")[0] in halves]
        calls: dict[str, int] = self.experiment.perform(tool, "library_calls", **self._arguments(), actions=actions)
        return calls

    def machinery(self, tool: Tool) -> str:
        """The library that the tool claims to be."""
        if isinstance(tool, HostedTool):
            return str(tool.description["machinery"])
        return " or ".join(library_files(tool))

    def ownership(self, tool: Tool) -> dict[str, Any]:
        """Whether the tool's values for the streams of the tested block that it offers are its own, while other prompts
        are read, of the same batch shape and of another; see `hosts.operations.ownership`."""
        experiment = self.experiment
        same_shape = experiment.batch(experiment.prompts.extraction[:SOME][::-1])
        arguments: dict[str, Any] = {
            "batch": experiment.some,
            "others": [same_shape, experiment.batch(experiment.prompts.evaluation[:3])],
            "sites": [site for site in experiment.readable(tool) if site.layer == experiment.settings.layer],
        }
        values: dict[str, Any] = experiment.perform(tool, "ownership", **arguments)
        return values

    def left_changed(self, tool: Tool, halves: Sequence[str] = ACTIONS) -> dict[str, LeftChanged]:
        """action -> what a read or a steered generation by itself left changed; measured once per tool."""
        key = tuple(identity(tool).values())
        if key not in self._left:
            self._left[key] = self.experiment.perform(tool, "left_changed", **self._arguments(), actions=list(halves))
        return self._left[key]

    def after_failure(self, tool: Tool, action: str, halves: Sequence[str] = ACTIONS) -> tuple[str, dict[str, str]]:
        """("planned", or the type of another exception that reached the caller; aspect -> what was left changed).

        action: "read", "generate", or "interrupt" for a Ctrl-C in each of `halves`.
        """
        interrupted = action == "interrupt"
        failure: dict[str, Any] = {"actions": list(halves) if interrupted else [action], "interrupted": interrupted}
        block = self.experiment.settings.layer
        result = self.experiment.perform(tool, "after_failure", **self._arguments(), **failure, block=block)
        return result["raised"], result["changes"]

    def _arguments(self) -> dict[str, Any]:
        """The extraction prompts, the tested site, and steering along the true direction."""
        experiment = self.experiment
        edits = experiment.edits(experiment.true_direction())
        return {"batch": experiment.extraction, "site": experiment.site, "edits": edits}
