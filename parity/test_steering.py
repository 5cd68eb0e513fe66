"""Steering S1, S2, S4: the tool's own edit does what was asked, and nothing else."""

import pytest

from parity.asserts import assert_equal, assert_holds

NEW_TOKENS = 6


@pytest.mark.clause("S1")
def test_zero_vector(cycle, tool, cell):
    """S1: adding a zero vector moves nothing, and gives the unsteered answer."""
    seen = cycle.watch(tool, cycle.zero_edits(), NEW_TOKENS)
    cell.note(boundaries=len(seen.shifts))
    assert_holds(cell, not seen.wrong, "a zero vector moved nothing", f"a zero vector moved the stream {seen.words}")
    plain = tool.generate(cycle.model, cycle.extraction, [], NEW_TOKENS)
    assert_equal(cell, "tokens as without steering", seen.ids.equal(plain), True)


@pytest.mark.clause("S2")
def test_exact_shift(cycle, tool, cell):
    """S2: the stream moves by exactly the asked vector, at the asked blocks, at every real token."""
    seen = cycle.watch(tool, cycle.edits(cycle.direction(tool, 0)), NEW_TOKENS)
    cell.note(boundaries=len(seen.shifts), calls=seen.calls, moved_tokens=seen.moved, max_abs=seen.max_abs)
    assert_holds(cell, seen.moved > 0, "the stream moved", "steering changed nothing")
    assert_equal(cell, "forward calls per generated token", seen.calls, seen.ids.shape[1])
    assert_holds(
        cell, not seen.wrong, f"{seen.moved} token positions moved exactly as asked", f"wrong shift {seen.words}"
    )


@pytest.mark.clause("S4")
def test_native_generation(cycle, tool, cell):
    """S4: the tool's own steered answers equal the reference's, token for token."""
    direction = cycle.direction(tool, 0)
    native = cycle.answers(tool, direction, 0, "native")
    expected = cycle.answers(tool, direction, 0, "reference")
    first = first_difference(native, expected)
    cell.note(token_identical=first is None, first_difference=first)
    total = f"{len(native)} answers, {native.shape[1]} tokens"
    assert_holds(
        cell, first is None, f"{total}: token-identical", f"{total}: first difference at [row, step] = {first}"
    )


def first_difference(left, right):
    """[row, step] of the first token that differs; a shorter answer differs at its end."""
    width = min(left.shape[1], right.shape[1])
    different = (left[:, :width] != right[:, :width]).nonzero()
    if len(different):
        return [int(number) for number in different[0]]
    return None if left.shape == right.shape else [0, width]
