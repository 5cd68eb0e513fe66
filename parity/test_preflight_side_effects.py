"""Preflight P7-P9, P11, P12: the tool's own library answers, returns copies, and hands back model
and process as it found them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from parity.plugin.arguments import Draft, Experiment, Halves, SideEffects, SteeringMeasurements, Tool
from parity.plugin.assertions import agree_same, assert_equal, assert_holds, assert_same, state_half
from steering_core.observe.aspects import ASPECTS

if TYPE_CHECKING:
    from torch import Tensor

    from steering_core.models.tokens import TokenBatch
    from steering_core.tools.edits import Edit


@pytest.mark.clause("P9")  # before the other clauses: what a tool does once per process must not be done already
@pytest.mark.parametrize("aspect", ASPECTS)
def test_side_effects(side_effects: SideEffects, tool: Tool, record: Draft, aspect: str, halves: Halves) -> None:
    """P9: reading by itself and steering by itself leave model, inputs and process as they found them."""
    left = side_effects.left_changed(tool, halves)
    changes = {action: each.changed[aspect] for action, each in left.items() if aspect in each.changed}
    additions = {action: each.by_libraries[aspect] for action, each in left.items() if aspect in each.by_libraries}
    record.note(**{f"left by {action}": change for action, change in changes.items()})
    agrees = f"{aspect} unchanged" + (f"; {by_action(additions)}" if additions else "")
    assert_holds(record, not changes, agrees, f"{aspect}: {by_action(changes)}")
    state_half(record, halves)


DOING = {"read": "reading", "read again": "reading again", "generate": "steering"}


def by_action(changes: Mapping[str, str]) -> str:
    """What was changed, and whether reading, steering or each of them changed it."""
    verbs = {"read": "by reading", "generate": "by steering"}
    actions = {what: [verbs[action] for action in changes if changes[action] == what] for what in changes.values()}
    return "; ".join(f"{what} ({' and '.join(done)})" for what, done in actions.items())


@pytest.mark.clause("P7")
def test_liveness(side_effects: SideEffects, tool: Tool, record: Draft, halves: Halves) -> None:
    """P7: the tool's own library code ran inside the model's forward pass, in reading and in steering."""
    calls = side_effects.library_calls(tool, halves)
    record.note(**calls)
    silent = " and ".join(DOING[action] for action, count in calls.items() if count == 0)
    otherwise = f"no code of {side_effects.machinery(tool)} ran inside the model while {tool.name} was {silent}"
    assert_holds(record, not silent, f"library calls inside the forward pass: {calls}", otherwise)
    state_half(record, halves)


@pytest.mark.clause("P8")
@pytest.mark.needs("read")
def test_ownership(experiment: Experiment, side_effects: SideEffects, tool: Tool, record: Draft) -> None:
    """P8: the values are copies: not memory that the model used, unchanged by later forward passes, and nobody else's."""
    batch, values = experiment.some, side_effects.ownership(tool)
    aliases = ", ".join(map(str, values["aliased"]))
    aliased = f"what is returned for {aliases} is the model's own memory: whatever writes there changes it"
    assert_holds(record, not aliases, "the returned tensors have memory of their own", aliased)
    for site in values["given"]:
        # Compared with the tool's own undisturbed value: whether that is the requested tensor is for P1 to say.
        if site not in values["undisturbed"]:
            agree_same(record, f"{site} after the caller wrote into it")
            continue
        expected, held, again = (batch.at_real(values[name][site]) for name in ("undisturbed", "held", "again"))
        assert_same(record, f"{site} after other forward passes", held, expected)
        assert_same(record, f"{site} after the caller wrote into it", again, expected)
    record.note(sites=len(values["given"]))


@pytest.mark.clause("P11")
@pytest.mark.needs("action")
@pytest.mark.parametrize("action", ["read", "generate", "interrupt"])
def test_failure(
    experiment: Experiment, side_effects: SideEffects, tool: Tool, record: Draft, action: str, halves: Halves
) -> None:
    """P11: an exception inside the forward pass, Ctrl-C too, reaches the caller unchanged, and leaves the model as a
    success does."""
    batch = experiment.extraction

    def read() -> "Tensor":
        return batch.at_last(tool.read(experiment.model, batch, [experiment.site])[experiment.site])

    before = read().clone() if "read" in halves else None
    caught, changes = side_effects.after_failure(tool, action, halves)
    usual = {aspect for each in side_effects.left_changed(tool, halves).values() for aspect in each.changed}
    assert_equal(record, "exception that reached the caller", caught, "planned")
    extra = {aspect: change for aspect, change in changes.items() if aspect not in usual}
    assert_holds(record, not extra, "the model is as after a success", f"left after the failure: {extra}")
    if before is not None:
        assert_same(record, "the next read", read(), before)
    state_half(record, halves)


@pytest.mark.clause("P12")
def test_history(
    experiment: Experiment, steering: SteeringMeasurements, tool: Tool, record: Draft, halves: Halves
) -> None:
    """P12: the same call gives the same answer: again, after other calls, and beside another tool object."""
    first = assert_reading_repeats(experiment, tool, record) if "read" in halves else None
    if "generate" in halves:
        assert_steering_repeats(experiment, steering, tool, record)
    if first is not None:
        assert_same(record, "the first prompts at the end", values(experiment, tool, experiment.extraction), first)
    state_half(record, halves)


def others(experiment: Experiment) -> "TokenBatch":
    """Other prompts, of the same batch shape: what is cached by shape alone must show."""
    return experiment.batch(experiment.prompts.extraction[::-1])


def values(experiment: Experiment, reader: Tool, batch: "TokenBatch") -> "Tensor":
    """What a tool object reads at the tested site, at real tokens: [tokens, hidden]."""
    return batch.at_real(reader.read(experiment.model, batch, [experiment.site])[experiment.site])


def assert_reading_repeats(experiment: Experiment, tool: Tool, record: Draft) -> "Tensor":
    """The tool reads the same again, after other prompts, and as another object of its class; its first values."""
    batch, other = experiment.extraction, others(experiment)
    expected, first = values(experiment, tool.another(), other), values(experiment, tool, batch)
    assert_same(record, "the same call again", values(experiment, tool, batch), first)
    assert_same(
        record, "other prompts, which another tool object read first", values(experiment, tool, other), expected
    )
    assert_same(record, "the first prompts after the others", values(experiment, tool, batch), first)
    return first


def assert_steering_repeats(experiment: Experiment, steering: SteeringMeasurements, tool: Tool, record: Draft) -> None:
    """The tool steers the same again, and with other vectors as a new object of its class does."""
    other, direction = others(experiment), experiment.true_direction()

    def tokens(writer: Tool, edits: "list[Edit]") -> Any:
        return writer.generate(experiment.model, other, edits, 3).tolist()

    def arrival(writer: Tool, sign: int) -> list[Any]:
        """Where and how exactly the vector, or the opposite one, arrives in the first prompts."""
        return steering.watch(writer, experiment.edits(sign * direction), 2).arrivals()

    new, opposite = (arrival(tool.another(), sign) for sign in (1, -1))
    plain, edits = tokens(tool.another(), []), experiment.edits(direction)
    steered = tokens(tool, edits)
    assert_equal(record, "steered tokens, again", tokens(tool, edits), steered)
    assert_equal(record, "unsteered tokens after steering", tokens(tool, []), plain)
    same = "arrives as with a new tool object"
    otherwise = "does not arrive as it does with a new tool object"
    after_others = "steering, after steering other prompts,"
    assert_holds(record, arrival(tool, 1) == new, f"{after_others} {same}", f"{after_others} {otherwise}")
    second_vector = "a second vector, after the first,"
    assert_holds(record, arrival(tool, -1) == opposite, f"{second_vector} {same}", f"{second_vector} {otherwise}")
