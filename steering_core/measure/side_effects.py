"""What a tool does besides answering: is it live, does it own its values, does it hand the model back."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from torch import Tensor

from steering_core.measure.experiment import Experiment, identity
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
    """What a tool is handed beside the model: tensors of its own, so that writing into them harms nobody else."""

    batch: TokenBatch
    edits: Sequence[Edit]

    @property
    def tensors(self) -> dict[str, Tensor]:
        """By name."""
        vectors = {f"the vector for {edit.site}": edit.vector for edit in self.edits}
        return {"the token ids": self.batch.ids, "the attention mask": self.batch.mask, **vectors}


@dataclass(eq=False)
class SideEffects:
    """Measurements of one model's tools. left: per tool, what a read and a steered generation left changed."""

    experiment: Experiment
    left: dict[tuple[str, ...], dict[str, str]] = field(default_factory=dict)

    def given(self) -> ToolInputs:
        """The extraction prompts, and steering along the true direction."""
        batch = self.experiment.extraction
        own = replace(batch, ids=batch.ids.clone(), mask=batch.mask.clone())
        return ToolInputs(own, self.experiment.edits(self.experiment.true_direction()))

    def act(self, tool: Tool, action: str, model: LoadedModel | None = None, given: ToolInputs | None = None) -> object:
        """One read, or one short steered generation."""
        model, given = model or self.experiment.model, given or self.given()
        if action in {"read", "read again"}:
            return tool.read(model, given.batch, [self.experiment.site])
        return tool.generate(model, given.batch, given.edits, NEW_TOKENS)

    def library_calls(self, tool: Tool) -> dict[str, int]:
        """action -> calls of the tool's own library from within the model."""
        actions = ("read", "read again", "generate")
        return {action: count_library_calls(tool, partial(self.act, tool, action)) for action in actions}

    def machinery(self, tool: Tool) -> str:
        """The library that the tool says it is."""
        return " or ".join(library_files(tool))

    def overwritten(self, tool: Tool) -> Tensor:
        """The tool's value for the tested site, in a forward whose next block writes over its input."""
        experiment = self.experiment
        following = min(experiment.settings.layer + 1, experiment.model.spec.layers - 1)
        with overwriting_at(experiment.model, following):
            return tool.read(experiment.model, experiment.extraction, [experiment.site])[experiment.site]

    def untouched(self) -> LoadedModel:
        """The same weights in modules that no tool has seen."""
        return replace(self.experiment.model, module=sharing_copy(self.experiment.pristine))

    def left_changed(self, tool: Tool) -> dict[str, str]:
        """aspect -> what a read and a steered generation left changed; measured once per tool."""
        who = tuple(identity(tool).values())
        if who not in self.left:
            model, given = self.untouched(), self.given()
            with with_user_state(model):
                before = state_of(model, given.tensors)
                self.act(tool, "read", model, given)
                self.act(tool, "generate", model, given)
                self.left[who] = state_changes(before, state_of(model, given.tensors))
        return self.left[who]

    def after_failure(self, tool: Tool, action: str) -> tuple[str, dict[str, str]]:
        """(kind of exception that reached the caller, aspect -> what was left changed).

        action: "read", "generate", or "interrupt" for a Ctrl-C in either.
        """
        interrupted = action == "interrupt"
        kind, actions = (PlannedInterrupt, ("read", "generate")) if interrupted else (PlannedFailure, (action,))
        model, given = self.untouched(), self.given()
        with with_user_state(model):
            before = state_of(model, given.tensors)
            every = [self._caught(tool, each, model, given, kind) for each in actions]
            caught = next((each for each in every if each != kind.__name__), kind.__name__)
            return caught, state_changes(before, state_of(model, given.tensors))

    def _caught(self, tool: Tool, action: str, model: LoadedModel, given: ToolInputs, kind: type[BaseException]) -> str:
        with failing_at(model, self.experiment.settings.layer, kind):
            try:
                self.act(tool, action, model, given)
            except (Exception, PlannedInterrupt) as error:
                return type(error).__name__
        return "none"
