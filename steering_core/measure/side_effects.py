"""What a tool does besides answering: does its library run, does it own its values, does it leave the model unmodified?"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from torch import Tensor

from steering_core.measure.experiment import Experiment
from steering_core.measure.keys import identity
from steering_core.models.model import LoadedModel
from steering_core.models.shared_copy import sharing_copy
from steering_core.models.tokens import TokenBatch
from steering_core.observe.aspects import ACTIONS, LeftChanged
from steering_core.observe.fault_injection import PlannedFailure, PlannedInterrupt, failing_at, overwriting_at
from steering_core.observe.kept_memory import growing_memory
from steering_core.observe.liveness import count_library_calls, library_files
from steering_core.observe.model_state import watching
from steering_core.observe.user_state import with_user_state
from steering_core.tools.edits import Edit
from steering_core.tools.tool import Tool

NEW_TOKENS = 3
Lent = tuple[LoadedModel, TokenBatch, list[Edit]]
"""What a tool is given, to be compared afterwards with what it was."""


@dataclass(eq=False)
class SideEffects:
    """Side effects of one model's tools."""

    experiment: Experiment
    _left: dict[tuple[str, ...], dict[str, LeftChanged]] = field(default_factory=dict, init=False)

    def library_calls(self, tool: Tool) -> dict[str, int]:
        """action -> calls of the tool's own library from within the model."""
        act, model, inputs = partial(self._act, tool), self.experiment.model, self._inputs()
        actions = ("read", "read again", "generate")
        return {action: count_library_calls(tool, partial(act, action, model, *inputs)) for action in actions}

    def machinery(self, tool: Tool) -> str:
        """The library that the tool claims to be."""
        return " or ".join(library_files(tool))

    def overwritten(self, tool: Tool) -> Tensor:
        """The tool's value for the tested site, in a forward whose next block overwrites its input."""
        experiment = self.experiment
        following = min(experiment.settings.layer + 1, experiment.model.spec.layers - 1)
        with overwriting_at(experiment.model, following):
            return tool.read(experiment.model, experiment.extraction, [experiment.site])[experiment.site]

    def left_changed(self, tool: Tool) -> dict[str, LeftChanged]:
        """action -> what a read or a steered generation by itself left changed; measured once per tool."""
        key = tuple(identity(tool).values())
        if key not in self._left:
            self._left[key] = {action: self._left_by(tool, action) for action in ACTIONS}
        return self._left[key]

    def _left_by(self, tool: Tool, action: str) -> LeftChanged:
        with self._lent() as (lent, tensors):
            with watching(lent[0], tensors) as left:
                self._act(tool, action, *lent)
            if growing := growing_memory(partial(self._act, tool, action, *lent)):
                left.changed["memory"] = growing
        return left

    def after_failure(self, tool: Tool, action: str) -> tuple[str, dict[str, str]]:
        """(type of the exception that reached the caller, aspect -> what was left changed); an exception derived from
        the planned one goes by the planned one's name.

        action: "read", "generate", or "interrupt" for a Ctrl-C in either.
        """
        interrupted = action == "interrupt"
        kind, actions = (PlannedInterrupt, ACTIONS) if interrupted else (PlannedFailure, (action,))
        with self._lent() as (lent, tensors), watching(lent[0], tensors) as left:
            raised = [self._raised(tool, attempt, lent, kind) for attempt in actions]
        return next((name for name in raised if name != kind.__name__), kind.__name__), left.changed

    def _raised(self, tool: Tool, action: str, lent: Lent, kind: type[BaseException]) -> str:
        with failing_at(lent[0], self.experiment.settings.layer, kind):
            try:
                self._act(tool, action, *lent)
            except (Exception, PlannedInterrupt) as error:
                return kind.__name__ if isinstance(error, kind) else type(error).__name__
        return "none"

    @contextmanager
    def _lent(self) -> Iterator[tuple[Lent, dict[str, Tensor]]]:
        """The same weights in modules that no tool has touched, with hooks and gradients of a user's; inputs; and the
        tensors among these, by name."""
        model = replace(self.experiment.model, module=sharing_copy(self.experiment.pristine))
        batch, edits = self._inputs()
        tensors = {"the token ids": batch.ids, "the attention mask": batch.mask}
        tensors |= {f"the vector for {edit.site}": edit.vector for edit in edits}
        with with_user_state(model):
            yield (model, batch, edits), tensors

    def _inputs(self) -> tuple[TokenBatch, list[Edit]]:
        """Copies of the extraction prompts, which a tool may overwrite, and steering along the true direction."""
        batch = self.experiment.extraction
        copied = replace(batch, ids=batch.ids.clone(), mask=batch.mask.clone())
        return copied, self.experiment.edits(self.experiment.true_direction())

    def _act(self, tool: Tool, action: str, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit]) -> object:
        """One read, or one short steered generation."""
        if action in {"read", "read again"}:
            return tool.read(model, batch, [self.experiment.site])
        return tool.generate(model, batch, edits, NEW_TOKENS)
