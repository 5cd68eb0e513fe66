"""Preflight P6, P10: tools agree prompt by prompt, and a batch equals the prompts it is made of."""

from typing import TYPE_CHECKING

import pytest

from parity.plugin.arguments import Draft, Experiment, SteeringMeasurements, Tool
from parity.plugin.assertions import assert_equal, assert_holds, assert_within_floor, note_relation
from steering_core.compare import compare
from steering_core.records.thresholds import ATOL, FLOOR_MARGIN

if TYPE_CHECKING:
    from torch import Tensor

    from steering_core.localize import Localization


@pytest.mark.clause("P6")
@pytest.mark.needs("read")
def test_agreement(experiment: Experiment, tools: tuple[Tool, Tool], record: Draft) -> None:
    """P6: allclose(atol=1e-5, rtol=0) on the raw activations of every prompt, or within the noise floor where that is
    higher; bit equality is reported too, and demanded with --exact."""
    batch, site = experiment.extraction, experiment.site
    first, second = (experiment.read(tool, batch)[site] for tool in tools)
    assert_equal(record, "shape", list(first.shape), list(second.shape))
    real = batch.mask[..., None].bool()
    names = [tool.name for tool in tools]

    def localize() -> "dict[str, Localization]":
        return {
            name: experiment.localized(batch, site, each) for name, each in zip(names, (first, second), strict=True)
        }

    assert_within_floor(
        record,
        f"{site} of {' against '.join(names)}",
        first.where(real, 0),
        second.where(real, 0),
        floor=lambda: experiment.floor(batch, [site], *tools),
        localize=localize,
        atol=0.0 if experiment.model.exact else ATOL,
    )


@pytest.mark.clause("P10")
@pytest.mark.needs("read")
def test_batch(experiment: Experiment, steering: SteeringMeasurements, tool: Tool, record: Draft) -> None:
    """P10: row i of a batch belongs to prompt i, and reading that prompt alone moves it by no more than the noise floor,
    with --exact not at all."""
    together, alone = steering.rows_together(tool), steering.rows_alone(tool)
    assert_equal(record, "shape", list(together.shape), list(alone.shape))
    assert_equal(record, "prompt that each row belongs to", nearest(together, alone), list(range(len(alone))))
    gap, floor = compare(together, alone), steering.floor
    allowed = 0.0 if experiment.model.exact else FLOOR_MARGIN * max(floor.max_abs, steering.alone_floor)
    relation = note_relation(record, gap, allowed)
    record.note(floor=floor.to_dict(), floor_one_minus_cosine=floor.direction_one_minus_cosine)
    sentence = f"batched against alone: max|d| = {gap.max_abs:.3g}, {relation} (floor {allowed:.3g})"
    assert_holds(record, relation != "beyond floor", sentence)


def nearest(rows: "Tensor", others: "Tensor") -> list[int]:
    """For each row of [n, hidden] the index of the most similar other row, by cosine."""
    unit_rows, unit_others = (part.double() / part.double().norm(dim=-1, keepdim=True) for part in (rows, others))
    indices: list[int] = (unit_rows @ unit_others.T).argmax(-1).tolist()
    return indices
