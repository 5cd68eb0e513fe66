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


@dataclass(frozen=True, eq=False)
class ToolInputs:
    """What a tool is given besides the model: copies, so that writing into them affects nobody else."""

    batch: TokenBatch
    edits: Sequence[Edit]

    @property
    def tensors(self) -> dict[str, Tensor]:
        """By name."""
        vectors = {f"the vector for {edit.site}": edit.vector for edit in self.edits}
        return {"the token ids": self.batch.ids, "the attention mask": self.batch.mask, **vectors}


@dataclass(eq=False)
class SideEffects:
    """Side effects of one model's tools."""

    experiment: Experiment
    _left: dict[tuple[str, ...], dict[str, str]] = field(default_factory=dict, init=False)

    def library_calls(self, tool: Tool) -> dict[str, int]:
        """action -> calls of the tool's own library from within the model."""
        act, model, inputs = partial(self._act, tool), self.experiment.model, self._inputs()
        actions = ("read", "read again", "generate")
        return {action: count_library_calls(tool, partial(act, action, model, inputs)) for action in actions}

    def machinery(self, tool: Tool) -> str:
        """The library that the tool claims to be."""
        return " or ".join(library_files(tool))

    def overwritten(self, tool: Tool) -> Tensor:
        """The tool's value for the tested site, in a forward whose next block overwrites its input."""
        experiment = self.experiment
        following = min(experiment.settings.layer + 1, experiment.model.spec.layers - 1)
        with overwriting_at(experiment.model, following):
            return tool.read(experiment.model, experiment.extraction, [experiment.site])[experiment.site]

    def left_changed(self, tool: Tool) -> dict[str, str]:
        """aspect -> what a read and a steered generation left changed; measured once per tool."""
        key = tuple(identity(tool).values())
        if key not in self._left:
            with self._lent() as (model, inputs, left):
                self._act(tool, "read", model, inputs)
                self._act(tool, "generate", model, inputs)
            self._left[key] = left
        return self._left[key]

    def after_failure(self, tool: Tool, action: str) -> tuple[str, dict[str, str]]:
        """(type of the exception that reached the caller, aspect -> what was left changed).

        action: "read", "generate", or "interrupt" for a Ctrl-C in either.
        """
        interrupted = action == "interrupt"
        kind, actions = (PlannedInterrupt, ("read", "generate")) if interrupted else (PlannedFailure, (action,))
        with self._lent() as (model, inputs, left):
            raised = [self._raised(tool, attempt, model, inputs, kind) for attempt in actions]
        return next((name for name in raised if name != kind.__name__), kind.__name__), left

    def _raised(
        self, tool: Tool, action: str, model: LoadedModel, inputs: ToolInputs, kind: type[BaseException]
    ) -> str:
        with failing_at(model, self.experiment.settings.layer, kind):
            try:
                self._act(tool, action, model, inputs)
            except (Exception, PlannedInterrupt) as error:
                return type(error).__name__
        return "none"

    @contextmanager
    def _lent(self) -> Iterator[tuple[LoadedModel, ToolInputs, dict[str, str]]]:
        """The same weights in modules that no tool has touched, inputs, and aspect -> what was left changed, filled in
        at the end."""
        model = replace(self.experiment.model, module=sharing_copy(self.experiment.pristine))
        inputs, left = self._inputs(), dict[str, str]()
        with with_user_state(model):
            before = state_of(model, inputs.tensors)
            yield model, inputs, left
            left |= state_changes(before, state_of(model, inputs.tensors))

    def _inputs(self) -> ToolInputs:
        """The extraction prompts, and steering along the true direction."""
        batch = self.experiment.extraction
        copied = replace(batch, ids=batch.ids.clone(), mask=batch.mask.clone())
        return ToolInputs(copied, self.experiment.edits(self.experiment.true_direction()))

    def _act(self, tool: Tool, action: str, model: LoadedModel, inputs: ToolInputs) -> object:
        """One read, or one short steered generation."""
        if action in {"read", "read again"}:
            return tool.read(model, inputs.batch, [self.experiment.site])
        return tool.generate(model, inputs.batch, inputs.edits, NEW_TOKENS)
