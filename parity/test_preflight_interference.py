"""Preflight P12: what else uses a model, or lives beside it, and the tool do not disturb each other."""

from typing import TYPE_CHECKING

import pytest

from parity.plugin.arguments import Draft, Experiment, Interference, Tool
from parity.plugin.assertions import assert_equal, assert_same

if TYPE_CHECKING:
    from torch import Tensor

TURNS = (0, 1, 0, 1)
"""Which of two models is read, one after the other."""


@pytest.mark.clause("P12")
@pytest.mark.needs("read")
@pytest.mark.parametrize("hook", ["hook-before", "hook-after"])
def test_user_hook(experiment: Experiment, interference: Interference, tool: Tool, record: Draft, hook: str) -> None:
    """P12: a hook of the user's that edits the stream, registered before the tool first saw the model or after, runs in
    every read, and the tool reads what it left."""
    result = interference.beside_hook(tool, first=hook == "hook-before")
    record.note(fired=result["fired"])
    silent = [number for number, fired in enumerate(result["fired"], start=1) if not fired]
    assert_equal(record, "reads in which the user's hook did not run", silent, [])
    for number, value in enumerate(result["values"], start=1):
        assert_value(experiment, tool, record, f"read {number} beside the user's hook", value, result["expected"])


@pytest.mark.clause("P12")
@pytest.mark.needs("read")
@pytest.mark.parametrize("beside", ["second-model"])
def test_second_model(
    experiment: Experiment, interference: Interference, tool: Tool, record: Draft, beside: str
) -> None:
    """P12: two models of the same shape, read in turn, are not confused."""
    result = interference.beside_model(tool, TURNS)
    for number, (turn, value) in enumerate(zip(TURNS, result["values"], strict=True), start=1):
        what = f"read {number}, of the {'other' if turn else 'first'} model"
        assert_value(experiment, tool, record, what, value, result["expected"][turn])


def assert_value(
    experiment: Experiment, tool: Tool, record: Draft, what: str, value: "Tensor", expected: "Tensor"
) -> None:
    """[batch, seq, width] at the tested site, at real tokens, up to rounding."""
    batch = experiment.extraction
    real = batch.mask[..., None].bool()
    observed, correct = value.where(real, 0), expected.where(real, 0)
    atol = 0.0 if observed.equal(correct) else experiment.floor(batch, [experiment.site], tool)
    assert_same(record, what, observed, correct, atol=atol)
