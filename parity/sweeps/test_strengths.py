"""Sweep W4: the band of strengths that work, and its two ends."""

from typing import TYPE_CHECKING

import pytest

from parity.plugin.arguments import Draft
from parity.sweeps.conditions import METHODS, read_sweeps, strength_at

if TYPE_CHECKING:
    from steering_core.measure.sweep import Sweep

pytestmark = pytest.mark.sweep


@pytest.mark.clause("W4")
@pytest.mark.parametrize("method", METHODS)
def test_strengths(sweep: "Sweep", record: Draft, method: str) -> None:
    """W4: the multipliers from 5x to 50x at which the model's own block works, both ends found by bisection."""
    from steering_core.measure.working_band import find_band

    table = read_sweeps()["strengths"]

    def measure(multiplier: float) -> tuple[int, int, int]:
        """(coherent, garbled, all answers)."""
        measured = sweep.condition(method, sweep.layer, strength_at(multiplier, sweep.strength))
        return measured.coherent, measured.garbled, measured.unique

    band = find_band(measure, table["grid"], table["resolution"])
    record.note(layer=sweep.layer, method=method, own_strength=sweep.strength, **band.facts())
    record.agree(band.sentence)
