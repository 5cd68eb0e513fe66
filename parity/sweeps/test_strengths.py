"""Sweep W4: the band of strengths that work, and its two ends."""

from typing import TYPE_CHECKING

import pytest

from parity.plugin.arguments import Draft
from parity.sweeps.conditions import METHODS, strength_at
from parity.sweeps.demands import demand_bracketed, demand_proportional, demand_steered
from steering_core.measure.sweep_plan import read_sweeps

if TYPE_CHECKING:
    from steering_core.measure.sweep import Sweep

pytestmark = pytest.mark.sweep


@pytest.mark.clause("W4")
@pytest.mark.parametrize("method", METHODS)
def test_strengths(sweep: "Sweep", record: Draft, method: str) -> None:
    """W4: the multipliers from 5x to 50x at which the model's own block works, both ends found by bisection, with the
    perturbation ratio of each."""
    table = read_sweeps()["strengths"]
    grid, resolution = table["grid"], table["resolution"]
    band = sweep.band(method, {name: strength_at(name, sweep.strength) for name in grid}, resolution)
    tried = {each: sweep.condition(method, sweep.layer, strength_at(each, sweep.strength)) for each in band.measured}
    ratios = {each: (measured.extra["ratio"], measured.extra["cumulative_ratio"]) for each, measured in tried.items()}
    record.note(layer=sweep.layer, method=method, own_strength=sweep.strength, **band.facts())
    record.note(ratios={f"{multiplier:g}": list(pair) for multiplier, pair in sorted(ratios.items())})
    demand_bracketed(record, band, grid, resolution)
    demand_proportional(record, ratios)
    for multiplier in {max(grid), band.high[0] if band.high else max(grid)}:
        measured = sweep.condition(method, sweep.layer, strength_at(multiplier, sweep.strength))
        demand_steered(record, sweep, measured, sweep.direction(method, sweep.layer), multiplier == max(grid))
    record.agree(band.sentence)
