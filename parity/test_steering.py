"""Steering S1, S2, S5-S8: the tool's own edit does what was asked, and nothing else."""

import pytest

from parity.plugin.assertions import assert_equal, assert_holds

NEW_TOKENS = 6
FEEDINGS = ("cache", "no-cache", "chunked")


@pytest.mark.clause("S1")
def test_zero_vector(experiment, steering, tool, record):
    """S1: adding a zero vector moves nothing, and gives the unsteered answer."""
    seen = steering.watch(tool, steering.zero(), NEW_TOKENS)
    record.note(boundaries=len(seen.shifts))
    assert_holds(
        record, not seen.wrong, "a zero vector moved nothing", f"a zero vector moved the stream {seen.describe()}"
    )
    plain = tool.generate(experiment.model, experiment.extraction, [], NEW_TOKENS)
    assert_equal(record, "tokens as without steering", seen.ids.equal(plain), True)
    expected = steering.reference_ids([], NEW_TOKENS)
    assert_equal(record, "unsteered tokens as the reference's", plain.equal(expected), True)


@pytest.mark.clause("S2")
@pytest.mark.parametrize("given", ["one", "two", "ends"])
def test_exact_shift(steering, tool, record, given):
    """S2: the stream moves by exactly the asked vector, at the asked blocks, at every real token; by two vectors, where
    two are asked for at one block; and at the first block and the last."""
    if given == "one":
        seen = steering.steered(tool, NEW_TOKENS)
    else:
        seen = steering.watch(tool, steering.doubled() if given == "two" else steering.ends(), NEW_TOKENS)
    record.note(boundaries=len(seen.shifts), calls=seen.calls, moved_tokens=seen.moved, max_abs=seen.max_abs)
    assert_holds(record, seen.moved > 0, "the stream moved", "steering changed nothing")
    assert_equal(record, "forward calls per generated token", seen.calls, seen.ids.shape[1])
    right = f"{seen.moved} token positions moved exactly as asked"
    assert_holds(record, not seen.wrong, right, f"wrong shift {seen.describe()}")


@pytest.mark.clause("S5")
def test_first_token(experiment, steering, tool, record):
    """S5: in the prompt's forward the last real token of every row is steered, at every asked block."""
    seen = steering.steered(tool, NEW_TOKENS)
    blocks = set(experiment.settings.blocks)
    missed = [
        shift.block for shift in seen.shifts if shift.call == 0 and shift.block in blocks and not shift.at_end.all()
    ]
    record.note(blocks=len(blocks))
    words = f"the last prompt token is not steered at blocks {missed}: the first generated token does not feel it"
    assert_holds(record, not missed, f"last prompt token steered at {len(blocks)} blocks, in every row", words)


@pytest.mark.clause("S6")
@pytest.mark.parametrize("feeding", FEEDINGS)
def test_position_map(steering, tool, record, feeding):
    """S6: the map of edited (row, absolute position) per forward call is the declared one, however the model is fed."""
    seen = steering.steered(tool, NEW_TOKENS, feeding)
    astray = [shift for shift in seen.shifts if not shift.in_place]
    record.note(calls=seen.calls, moved_tokens=seen.moved)
    assert_holds(record, seen.moved > 0, "the stream moved", "steering changed nothing")
    words = f"{feeding}: {seen.calls} calls, {seen.moved} token positions"
    assert_holds(
        record, not astray, f"{words}, each where declared", f"{words}; edited elsewhere {seen.describe(astray)}"
    )


@pytest.mark.clause("S7")
def test_ablation(steering, tool, record):
    """S7: ablating the direction passes what adding it passes: exact at every boundary, tokens as the reference's."""
    edits = steering.ablations()
    seen = steering.watch(tool, edits, NEW_TOKENS)
    record.note(boundaries=len(seen.shifts), moved_tokens=seen.moved, max_abs=seen.max_abs)
    assert_holds(record, seen.moved > 0, "the stream moved", "ablation changed nothing")
    assert_holds(
        record, not seen.wrong, f"{seen.moved} token positions ablated as asked", f"wrong ablation {seen.describe()}"
    )
    assert_equal(record, "tokens as the reference's", seen.ids.equal(steering.reference_ids(edits, NEW_TOKENS)), True)


@pytest.mark.clause("S8")
def test_arithmetic(steering, tool, record):
    """S8: float32 product, one rounding, addition in the model's dtype; and how much of the asked shift arrives."""
    realized = steering.realized(tool)
    record.note(**realized)
    words = f"{realized['dtype']}: realized / asked = {realized['ratio']:.4f}, {realized['unchanged']:.1%} unchanged"
    assert_holds(
        record,
        realized["declared"],
        words,
        f"not the declared arithmetic, off by up to {realized['max_abs']:.3g}; {words}",
    )
