"""Preflight P7-P9, P11, P12: the library's own code answers, gives copies, and hands the model back as it was."""

import pytest

from parity.asserts import assert_equal, assert_holds, assert_same
from parity.declared import unless_declared

ASPECTS = ("hooks", "forward", "weights", "flags", "rng", "config")


@pytest.mark.clause("P7")
def test_liveness(purity, tool, cell):
    """P7: the tool's own library code ran inside the model's forward, in reading and in steering."""
    fired = purity.fired(tool)
    cell.note(**fired)
    silent = [action for action, frames in fired.items() if frames == 0]
    assert_holds(
        cell, not silent, f"library calls inside the forward: {fired}",
        f"no code of {purity.machinery(tool)} ran inside the model while {tool.name} did {' and '.join(silent)}",
    )  # fmt: skip


@pytest.mark.clause("P8")
def test_ownership(cycle, purity, tool, cell):
    """P8: the value is a copy: it survives an in-place write of the next block, and later forwards."""
    batch = cycle.extraction
    expected = cycle.truth(batch)[cycle.settings.layer + 1]
    real = batch.mask.bool()
    overwritten = purity.overwritten(tool)
    assert_same(cell, "after an in-place write by the next block", overwritten[real], expected[real])
    kept = tool.read(cycle.model, batch, [cycle.site])[cycle.site]
    tool.read(cycle.model, cycle.batch(cycle.prompts.evaluation[:3]), [cycle.site])
    assert_same(cell, "after another forward", kept[real], expected[real])
    kept.zero_()
    again = tool.read(cycle.model, batch, [cycle.site])[cycle.site]
    assert_same(cell, "after the caller wrote into it", again[real], expected[real])


@pytest.mark.clause("P9")
@pytest.mark.parametrize("aspect", ASPECTS)
def test_borrow(purity, tool, cell, aspect):
    """P9: after reading and steering the model is as it was: hooks (the user's too), forward, weights, flags, RNG, config."""
    left = purity.left_changed(tool)
    with unless_declared(cell, tool, aspect):
        assert_holds(cell, aspect not in left, f"{aspect} as before", f"{aspect}: {left.get(aspect)}")


@pytest.mark.clause("P11")
@pytest.mark.parametrize("action", ["read", "generate"])
def test_failure(cycle, purity, tool, cell, action):
    """P11: an exception inside the forward reaches the caller as it is, and leaves the model as a success leaves it."""
    caught, left = purity.after_failure(tool, action)
    usual = purity.left_changed(tool)
    with unless_declared(cell, tool, action):
        assert_equal(cell, "exception that reached the caller", caught, "PlannedFailure")
        extra = {aspect: words for aspect, words in left.items() if aspect not in usual}
        assert_holds(cell, not extra, "the model is as after a success", f"left after the failure: {extra}")
        batch = cycle.extraction
        after = tool.read(cycle.model, batch, [cycle.site])[cycle.site]
        assert_same(
            cell, "the next read", batch.at_last(after), batch.at_last(cycle.truth(batch)[cycle.settings.layer + 1])
        )


@pytest.mark.clause("P12")
def test_history(cycle, purity, tool, cell):
    """P12: the same call gives the same answer: again, after other calls, and with another tool object alive."""
    batch, other = cycle.extraction, cycle.batch(cycle.prompts.evaluation[:3])
    real = batch.mask.bool()
    first = tool.read(cycle.model, batch, [cycle.site])[cycle.site]
    again = tool.read(cycle.model, batch, [cycle.site])[cycle.site]
    assert_same(cell, "the same call again", again[real], first[real])
    tool.read(cycle.model, other, [cycle.site])
    assert_same(
        cell, "after another prompt", tool.read(cycle.model, batch, [cycle.site])[cycle.site][real], first[real]
    )
    tool.generate(cycle.model, other, cycle.edits(cycle.true_direction()), 3)
    assert_same(cell, "after steering", tool.read(cycle.model, batch, [cycle.site])[cycle.site][real], first[real])
    beside = type(tool)()
    beside.read(cycle.model, other, [cycle.site])
    assert_same(
        cell, "with a second object alive", tool.read(cycle.model, batch, [cycle.site])[cycle.site][real], first[real]
    )
    ids = [tool.generate(cycle.model, other, cycle.edits(cycle.true_direction()), 3).tolist() for _ in range(2)]
    assert_equal(cell, "steered tokens, twice", ids[0], ids[1])
    plain = purity.unsteered(cycle.prompts.evaluation[:3], 3)
    assert_equal(cell, "unsteered tokens after steering", tool.generate(cycle.model, other, [], 3).tolist(), plain)
