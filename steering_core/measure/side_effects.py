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
from steering_core.observe.fault_injection import PlannedFailure, PlannedInterrupt, failing_at, overwriting_at
from steering_core.observe.liveness import count_library_calls, library_files
from steering_core.observe.model_state import state_changes, state_of, with_user_state
from steering_core.tools.edits import Edit
from steering_core.tools.tool import Tool

NEW_TOKENS = 3
HALVES = ("read", "generate")
"""What a tool may offer; a tool that lacks one is measured with the other alone."""
Lent = tuple[LoadedModel, TokenBatch, list[Edit]]
"""What a tool is given, to be compared afterwards with what it was."""


@dataclass(eq=False)
class SideEffects:
    """Side effects of one model's tools."""

    experiment: Experiment
    _left: dict[tuple[str, ...], dict[str, str]] = field(default_factory=dict, init=False)

    def library_calls(self, tool: Tool, halves: Sequence[str] = HALVES) -> dict[str, int]:
        """action -> calls of the tool's own library from within the model."""
        act, model, inputs = partial(self._act, tool), self.experiment.model, self._inputs()
        actions = [action for action in ("read", "read again", "generate") if action.partition(" ")[0] in halves]
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

    def left_changed(self, tool: Tool, halves: Sequence[str] = HALVES) -> dict[str, str]:
        """aspect -> what a read and a steered generation, or either alone, left changed; measured once per tool."""
        key = tuple(identity(tool).values())
        if key not in self._left:
            with self._lent() as (lent, left):
                for action in halves:
                    self._act(tool, action, *lent)
            self._left[key] = left
        return self._left[key]

    def after_failure(self, tool: Tool, action: str, halves: Sequence[str] = HALVES) -> tuple[str, dict[str, str]]:
        """(type of the exception that reached the caller, aspect -> what was left changed).

        action: "read", "generate", or "interrupt" for a Ctrl-C in each of `halves`.
        """
        interrupted = action == "interrupt"
        kind, actions = (PlannedInterrupt, halves) if interrupted else (PlannedFailure, (action,))
        with self._lent() as (lent, left):
            raised = [self._raised(tool, attempt, lent, kind) for attempt in actions]
        return next((name for name in raised if name != kind.__name__), kind.__name__), left

    def _raised(self, tool: Tool, action: str, lent: Lent, kind: type[BaseException]) -> str:
        with failing_at(lent[0], self.experiment.settings.layer, kind):
            try:
                self._act(tool, action, *lent)
            except (Exception, PlannedInterrupt) as error:
                return type(error).__name__
        return "none"

    @contextmanager
    def _lent(self) -> Iterator[tuple[Lent, dict[str, str]]]:
        """The same weights in modules that no tool has touched, inputs, and aspect -> what was left changed, filled in
        at the end."""
        model = replace(self.experiment.model, module=sharing_copy(self.experiment.pristine))
        batch, edits = self._inputs()
        tensors = {"the token ids": batch.ids, "the attention mask": batch.mask}
        tensors |= {f"the vector for {edit.site}": edit.vector for edit in edits}
        left: dict[str, str] = {}
        with with_user_state(model):
            before = state_of(model, tensors)
            yield (model, batch, edits), left
            left |= state_changes(before, state_of(model, tensors))

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
