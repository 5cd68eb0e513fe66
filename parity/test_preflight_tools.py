"""Preflight P6, P10: tools agree prompt by prompt, and a batch equals the prompts it is made of."""

from typing import TYPE_CHECKING

import pytest

from parity.plugin.arguments import Draft, Experiment, SteeringMeasurements, Tool
from parity.plugin.assertions import assert_equal, assert_holds, assert_same
from steering_core.compare import compare
from steering_core.records.thresholds import ATOL

if TYPE_CHECKING:
    from torch import Tensor


@pytest.mark.clause("P6")
@pytest.mark.needs("read")
def test_agreement(experiment: Experiment, tools: tuple[Tool, Tool], record: Draft) -> None:
    """P6: allclose(atol=1e-5, rtol=0) on the raw activations of every prompt; bit equality is reported too."""
    batch = experiment.extraction
    first, second = (experiment.read(tool, batch)[experiment.site] for tool in tools)
    assert_equal(record, "shape", list(first.shape), list(second.shape))
    real = batch.mask[..., None].bool()
    names = " against ".join(tool.name for tool in tools)
    assert_same(record, f"{experiment.site} of {names}", first.where(real, 0), second.where(real, 0), atol=ATOL)


@pytest.mark.clause("P10")
@pytest.mark.needs("read")
def test_batch(steering: SteeringMeasurements, tool: Tool, record: Draft) -> None:
    """P10: row i of a batch belongs to prompt i, and reading that prompt alone moves it by no more than the noise floor."""
    together, alone = steering.rows_together(tool), steering.rows_alone(tool)
    assert_equal(record, "shape", list(together.shape), list(alone.shape))
    assert_equal(record, "prompt that each row belongs to", nearest(together, alone), list(range(len(alone))))
    gap, floor = compare(together, alone), steering.floor
    allowed = max(floor.max_abs, steering.alone_floor)
    relation = "bit-equal" if gap.bit_equal else "within floor" if gap.within(allowed) else "beyond floor"
    record.note(max_abs=gap.max_abs, tolerance=allowed, bit_equal=gap.bit_equal, floor=floor.to_dict())
    record.note(floor_one_minus_cosine=floor.direction_one_minus_cosine)
    sentence = f"batched against alone: max|d| = {gap.max_abs:.3g}, {relation} (floor {allowed:.3g})"
    assert_holds(record, relation != "beyond floor", sentence)


def nearest(rows: "Tensor", others: "Tensor") -> list[int]:
    """For each row of [n, hidden] the index of the most similar other row, by cosine."""
    unit_rows, unit_others = (part.double() / part.double().norm(dim=-1, keepdim=True) for part in (rows, others))
    indices: list[int] = (unit_rows @ unit_others.T).argmax(-1).tolist()
    return indices
