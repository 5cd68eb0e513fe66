"""Preflight P7-P9, P11, P12: the tool's own library answers, returns copies, and hands back model
and process as it found them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from parity.plugin.arguments import Draft, Experiment, SideEffects, SteeringMeasurements, Tool
from parity.plugin.assertions import allow_known_deviation, assert_equal, assert_holds, assert_same, is_known_deviation
from steering_core.observe.aspects import ASPECTS

if TYPE_CHECKING:
    from torch import Tensor

    from steering_core.models.tokens import TokenBatch
    from steering_core.tools.edits import Edit


@pytest.mark.clause("P9")  # before the other clauses: what a tool does once per process must not be done already
@pytest.mark.parametrize("aspect", ASPECTS)
def test_side_effects(side_effects: SideEffects, tool: Tool, record: Draft, aspect: str) -> None:
    """P9: reading by itself and steering by itself hand back model, inputs and process as they found them."""
    left = side_effects.left_changed(tool)
    changes = {action: each.changed[aspect] for action, each in left.items() if aspect in each.changed}
    additions = {action: each.by_libraries[aspect] for action, each in left.items() if aspect in each.by_libraries}
    record.note(**{f"left by {action}": change for action, change in changes.items()})
    declared = {action for action in left if is_known_deviation(record, tool, f"{action}-{aspect}")}
    undeclared = {action: change for action, change in changes.items() if action not in declared}
    agrees = f"{aspect} unchanged" + (f"; {by_action(additions)}" if additions else "")
    assert_holds(record, not undeclared, agrees, f"{aspect}: {by_action(undeclared)}")
    for action in sorted(declared, key=changes.__contains__):  # first a row that is no longer true
        with allow_known_deviation(record, tool, f"{action}-{aspect}"):
            assert_holds(record, action not in changes, agrees, f"{aspect}: {by_action(changes)}")


def by_action(changes: Mapping[str, str]) -> str:
    """What was changed, and whether reading, steering or each of them changed it."""
    verbs = {"read": "by reading", "generate": "by steering"}
    actions = {what: [verbs[action] for action in changes if changes[action] == what] for what in changes.values()}
    return "; ".join(f"{what} ({' and '.join(done)})" for what, done in actions.items())


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
    real, values = experiment.extraction.mask.bool(), side_effects.ownership(tool)
    # Compared with the tool's own undisturbed value: whether that is the requested tensor is for P1 to say.
    expected = values["undisturbed"][real]
    assert_same(record, "after an in-place write by the next block", values["overwritten"][real], expected)
    assert_same(record, "after another forward pass", values["held"][real], expected)
    assert_same(record, "after the caller wrote into it", values["again"][real], expected)


@pytest.mark.clause("P11")
@pytest.mark.parametrize("action", ["read", "generate", "interrupt"])
def test_failure(experiment: Experiment, side_effects: SideEffects, tool: Tool, record: Draft, action: str) -> None:
    """P11: an exception inside the forward pass, Ctrl-C too, reaches the caller unchanged, and leaves the model as a
    success does."""
    batch = experiment.extraction
    before = tool.read(experiment.model, batch, [experiment.site])[experiment.site].clone()
    caught, changes = side_effects.after_failure(tool, action)
    usual = {aspect for each in side_effects.left_changed(tool).values() for aspect in each.changed}
    with allow_known_deviation(record, tool, action):
        assert_equal(record, "exception that reached the caller", caught, "planned")
        extra = {aspect: change for aspect, change in changes.items() if aspect not in usual}
        assert_holds(record, not extra, "the model is as after a success", f"left after the failure: {extra}")
        after = tool.read(experiment.model, batch, [experiment.site])[experiment.site]
        assert_same(record, "the next read", batch.at_last(after), batch.at_last(before))


@pytest.mark.clause("P12")
def test_history(experiment: Experiment, steering: SteeringMeasurements, tool: Tool, record: Draft) -> None:
    """P12: the same call gives the same answer: again, after other calls, and beside another tool object."""
    # The other prompts have the same batch shape: what is cached by shape alone must show.
    batch, other = experiment.extraction, experiment.batch(experiment.prompts.extraction[::-1])
    edits, second_object = experiment.edits(experiment.true_direction()), tool.another()

    def value(reader: Tool, prompts: "TokenBatch") -> "Tensor":
        return reader.read(experiment.model, prompts, [experiment.site])[experiment.site][prompts.mask.bool()]

    def tokens(writer: Tool, edits: "list[Edit]") -> Any:
        return writer.generate(experiment.model, other, edits, 3).tolist()

    def arrival(writer: Tool, sign: int) -> list[Any]:
        """Where and how exactly the vector, or the opposite one, arrives in the first prompts."""
        observed = steering.watch(writer, experiment.edits(sign * experiment.true_direction()), 2)
        return [(shift.call, shift.block, shift.max_abs, shift.actual.tolist()) for shift in observed.shifts]

    new, opposite = (arrival(tool.another(), sign) for sign in (1, -1))
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
