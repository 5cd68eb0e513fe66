"""Preflight P7-P9, P11, P12: the tool's own library answers, returns copies, and leaves the model unmodified."""

from typing import TYPE_CHECKING, Any

import pytest

from parity.plugin.arguments import Draft, Experiment, SideEffects, SteeringMeasurements, Tool
from parity.plugin.assertions import allow_known_deviation, assert_equal, assert_holds, assert_same

if TYPE_CHECKING:
    from torch import Tensor

    from steering_core.models.tokens import TokenBatch
    from steering_core.tools.edits import Edit

ASPECTS = ("hooks", "forward", "weights", "flags", "rng", "config", "inputs")


@pytest.mark.clause("P7")
def test_liveness(side_effects: SideEffects, tool: Tool, record: Draft) -> None:
    """P7: the tool's own library code ran inside the model's forward pass, in reading and in steering."""
    calls = side_effects.library_calls(tool)
    record.note(**calls)
    silent = " and ".join(action for action, count in calls.items() if count == 0)
    otherwise = f"no code of {side_effects.machinery(tool)} ran inside the model while {tool.name} did {silent}"
    assert_holds(record, not silent, f"library calls inside the forward pass: {calls}", otherwise)


@pytest.mark.clause("P8")
def test_ownership(experiment: Experiment, side_effects: SideEffects, tool: Tool, record: Draft) -> None:
    """P8: the value is a copy: it survives an in-place write of the next block, and later forward passes."""
    real = experiment.extraction.mask.bool()

    def read() -> "Tensor":
        return tool.read(experiment.model, experiment.extraction, [experiment.site])[experiment.site]

    # Compared with the tool's own undisturbed value: whether that is the requested tensor is for P1 to say.
    expected = read().clone()
    overwritten = side_effects.overwritten(tool)
    assert_same(record, "after an in-place write by the next block", overwritten[real], expected[real])
    held = read()
    tool.read(experiment.model, experiment.batch(experiment.prompts.evaluation[:3]), [experiment.site])
    assert_same(record, "after another forward pass", held[real], expected[real])
    held.zero_()
    assert_same(record, "after the caller wrote into it", read()[real], expected[real])


@pytest.mark.clause("P9")
@pytest.mark.parametrize("aspect", ASPECTS)
def test_side_effects(side_effects: SideEffects, tool: Tool, record: Draft, aspect: str) -> None:
    """P9: reading and steering leave the model, the user's hooks on it and the tensors handed over unmodified."""
    changes = side_effects.left_changed(tool)
    with allow_known_deviation(record, tool, aspect):
        assert_holds(record, aspect not in changes, f"{aspect} unchanged", f"{aspect}: {changes.get(aspect)}")


@pytest.mark.clause("P11")
@pytest.mark.parametrize("action", ["read", "generate", "interrupt"])
def test_failure(experiment: Experiment, side_effects: SideEffects, tool: Tool, record: Draft, action: str) -> None:
    """P11: an exception inside the forward pass, Ctrl-C too, reaches the caller unchanged, and leaves the model as a
    success does."""
    batch = experiment.extraction
    before = tool.read(experiment.model, batch, [experiment.site])[experiment.site].clone()
    caught, changes = side_effects.after_failure(tool, action)
    usual = side_effects.left_changed(tool)
    with allow_known_deviation(record, tool, action):
        planned = "PlannedInterrupt" if action == "interrupt" else "PlannedFailure"
        assert_equal(record, "exception that reached the caller", caught, planned)
        extra = {aspect: change for aspect, change in changes.items() if aspect not in usual}
        assert_holds(record, not extra, "the model is as after a success", f"left after the failure: {extra}")
        after = tool.read(experiment.model, batch, [experiment.site])[experiment.site]
        assert_same(record, "the next read", batch.at_last(after), batch.at_last(before))


@pytest.mark.clause("P12")
def test_history(experiment: Experiment, steering: SteeringMeasurements, tool: Tool, record: Draft) -> None:
    """P12: the same call gives the same answer: again, after other calls, and beside another tool object."""
    # The other prompts have the same batch shape: what is cached by shape alone must show.
    batch, other = experiment.extraction, experiment.batch(experiment.prompts.extraction[::-1])
    edits, second_object = experiment.edits(experiment.true_direction()), type(tool)()

    def value(reader: Tool, prompts: "TokenBatch") -> "Tensor":
        return reader.read(experiment.model, prompts, [experiment.site])[experiment.site][prompts.mask.bool()]

    def tokens(writer: Tool, edits: "list[Edit]") -> Any:
        return writer.generate(experiment.model, other, edits, 3).tolist()

    def arrival(writer: Tool, sign: int) -> list[Any]:
        """Where and how exactly the vector, or the opposite one, arrives in the first prompts."""
        return steering.watch(writer, experiment.edits(sign * experiment.true_direction()), 2).arrivals()

    new, opposite = (arrival(type(tool)(), sign) for sign in (1, -1))
    other_value, plain, first = value(second_object, other), tokens(second_object, []), value(tool, batch)
    assert_same(record, "the same call again", value(tool, batch), first)
    assert_same(record, "other prompts, which another tool object read first", value(tool, other), other_value)
    assert_same(record, "the first prompts after the others", value(tool, batch), first)
    steered = tokens(tool, edits)
    assert_same(record, "the first prompts after steering", value(tool, batch), first)
    assert_equal(record, "steered tokens, again", tokens(tool, edits), steered)
    assert_equal(record, "unsteered tokens after steering", tokens(tool, []), plain)
    same = "arrives as with a new tool object"
    otherwise = "does not arrive as it does with a new tool object"
    steering_after = "steering, after steering other prompts,"
    assert_holds(record, arrival(tool, 1) == new, f"{steering_after} {same}", f"{steering_after} {otherwise}")
    second_vector = "a second vector, after the first,"
    assert_holds(record, arrival(tool, -1) == opposite, f"{second_vector} {same}", f"{second_vector} {otherwise}")
