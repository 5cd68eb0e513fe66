"""Preflight P12: what else uses a model, or lives beside it, and the tool do not disturb each other."""

from typing import TYPE_CHECKING

import pytest

from parity.plugin.arguments import Draft, Experiment, Interference, Tool
from parity.plugin.assertions import assert_equal, assert_holds, assert_same

if TYPE_CHECKING:
    from torch import Tensor

TURNS = (0, 1, 0, 1)
"""Which of two models is read, one after the other."""


@pytest.mark.clause("P12")
@pytest.mark.needs("read")
@pytest.mark.parametrize("hook", ["hook-before", "hook-after"])
def test_user_hook(experiment: Experiment, interference: Interference, tool: Tool, record: Draft, hook: str) -> None:
    """P12: a hook of the user's that edits the stream, registered before the tool first saw the model or after, runs in
    every read, and what it does is seen."""
    result = interference.beside_hook(tool, first=hook == "hook-before")
    silent = [number for number, fired in enumerate(result["fired"], start=1) if not fired]
    record.note(fired=result["fired"])
    assert_equal(record, "reads in which the user's hook did not run", silent, [])
    plain, first, second = (real(experiment, value) for value in (result["plain"], *result["values"]))
    assert_holds(
        record, not first.equal(plain), "what the user's hook adds is seen", "the user's hook changes no value"
    )
    assert_same(record, "the same read again, beside the user's hook", second, first)


@pytest.mark.clause("P12")
@pytest.mark.needs("read")
@pytest.mark.parametrize("beside", ["second-model"])
def test_second_model(
    experiment: Experiment, interference: Interference, tool: Tool, record: Draft, beside: str
) -> None:
    """P12: two models of the same shape, read in turn, are not confused."""
    # Compared with the tool's own values: whether they are the requested tensor is for P1 to say.
    values = [real(experiment, value) for value in interference.beside_model(tool, TURNS)]
    told = not values[0].equal(values[1])
    assert_holds(record, told, "two models give two values", "reading another model gives the first one's values")
    for number, turn in enumerate(TURNS[2:], start=2):
        what = f"the {'other' if turn else 'first'} model again, after the {'first' if turn else 'other'}"
        assert_same(record, what, values[number], values[turn])


def real(experiment: Experiment, value: "Tensor") -> "Tensor":
    """[batch, seq, width] -> the rows of real tokens, if it has that shape."""
    mask = experiment.extraction.mask.bool()
    return value[mask] if value.shape[:2] == mask.shape else value
