"""Preflight P7-P9, P11, P12: the library's own code answers, gives copies, and hands the model back as it was."""

import pytest

from parity.plugin.assertions import assert_equal, assert_holds, assert_same
from parity.plugin.known_deviations import unless_declared

ASPECTS = ("hooks", "forward", "weights", "flags", "rng", "config", "inputs")


@pytest.mark.clause("P7")
def test_liveness(side_effects, tool, record):
    """P7: the tool's own library code ran inside the model's forward, in reading and in steering."""
    library_calls = side_effects.library_calls(tool)
    record.note(**library_calls)
    silent = [action for action, frames in library_calls.items() if frames == 0]
    assert_holds(
        record, not silent, f"library calls inside the forward: {library_calls}",
        f"no code of {side_effects.machinery(tool)} ran inside the model while {tool.name} did {' and '.join(silent)}",
    )  # fmt: skip


@pytest.mark.clause("P8")
def test_ownership(experiment, side_effects, tool, record):
    """P8: the value is a copy: it survives an in-place write of the next block, and later forwards."""
    batch = experiment.extraction
    real = batch.mask.bool()
    # Against the tool's own undisturbed value: whether that is the asked tensor is P1's question.
    expected = tool.read(experiment.model, batch, [experiment.site])[experiment.site].clone()
    overwritten = side_effects.overwritten(tool)
    assert_same(record, "after an in-place write by the next block", overwritten[real], expected[real])
    kept = tool.read(experiment.model, batch, [experiment.site])[experiment.site]
    tool.read(experiment.model, experiment.batch(experiment.prompts.evaluation[:3]), [experiment.site])
    assert_same(record, "after another forward", kept[real], expected[real])
    kept.zero_()
    again = tool.read(experiment.model, batch, [experiment.site])[experiment.site]
    assert_same(record, "after the caller wrote into it", again[real], expected[real])


@pytest.mark.clause("P9")
@pytest.mark.parametrize("aspect", ASPECTS)
def test_side_effects(side_effects, tool, record, aspect):
    """P9: after reading and steering the model is as it was, the user's hooks included, and so is what came with it."""
    left = side_effects.left_changed(tool)
    with unless_declared(record, tool, aspect):
        assert_holds(record, aspect not in left, f"{aspect} as before", f"{aspect}: {left.get(aspect)}")


@pytest.mark.clause("P11")
@pytest.mark.parametrize("action", ["read", "generate", "interrupt"])
def test_failure(experiment, side_effects, tool, record, action):
    """P11: an exception inside the forward, Ctrl-C too, reaches the caller as it is, and leaves the model as a success
    leaves it."""
    batch = experiment.extraction
    before = tool.read(experiment.model, batch, [experiment.site])[experiment.site].clone()
    caught, left = side_effects.after_failure(tool, action)
    usual = side_effects.left_changed(tool)
    with unless_declared(record, tool, action):
        planned = "PlannedInterrupt" if action == "interrupt" else "PlannedFailure"
        assert_equal(record, "exception that reached the caller", caught, planned)
        extra = {aspect: words for aspect, words in left.items() if aspect not in usual}
        assert_holds(record, not extra, "the model is as after a success", f"left after the failure: {extra}")
        after = tool.read(experiment.model, batch, [experiment.site])[experiment.site]
        assert_same(record, "the next read", batch.at_last(after), batch.at_last(before))


@pytest.mark.clause("P12")
def test_history(experiment, steering, tool, record):
    """P12: the same call gives the same answer: again, after other calls, and with another tool object alive."""
    # The other prompts make a batch of the same shape: what is kept by shape alone must show.
    batch, other = experiment.extraction, experiment.batch(experiment.prompts.extraction[::-1])
    edits, beside = experiment.edits(experiment.true_direction()), type(tool)()

    def value(reader, prompts):
        return reader.read(experiment.model, prompts, [experiment.site])[experiment.site][prompts.mask.bool()]

    def tokens(writer, edits):
        return writer.generate(experiment.model, other, edits, 3).tolist()

    def arrival(writer, sign):
        """Where and how exactly the vector, or the opposite one, arrives in the first prompts."""
        seen = steering.watch(writer, experiment.edits(sign * experiment.true_direction()), 2)
        return [(shift.call, shift.block, shift.max_abs, shift.actual.tolist()) for shift in seen.shifts]

    here, opposite = (arrival(type(tool)(), sign) for sign in (1, -1))
    apart, plain, first = value(beside, other), tokens(beside, []), value(tool, batch)
    assert_same(record, "the same call again", value(tool, batch), first)
    assert_same(record, "another prompt after it, beside a tool object that read it first", value(tool, other), apart)
    assert_same(record, "the first prompt after the other", value(tool, batch), first)
    steered = tokens(tool, edits)
    assert_same(record, "the first prompt after steering", value(tool, batch), first)
    assert_equal(record, "steered tokens, again", tokens(tool, edits), steered)
    assert_equal(record, "unsteered tokens after steering", tokens(tool, []), plain)
    assert_holds(
        record, arrival(tool, 1) == here, "steering arrives in these prompts as with a new tool object",
        "steering, done in other prompts first, does not arrive in these as it does with a new tool object",
    )  # fmt: skip
    assert_holds(
        record, arrival(tool, -1) == opposite, "another vector arrives as with a new tool object",
        "another vector, steered with after the first, does not arrive as it does with a new tool object",
    )  # fmt: skip
