"""Two tuning stages on planted counts, where the coefficients, cliffs and layers are known."""

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from steering_core.errors import EmptyMeasurement
from steering_core.measure.findings.rows import ClassRows, TraitRows
from steering_core.measure.findings.stage_facts import StagePair
from steering_core.measure.findings.tuning_stages import Stage, StageCurves, asked_of
from steering_core.measure.multilayer.answers import Counts
from steering_core.models.registry import read_registry
from steering_core.places import REGISTRY
from steering_core.tools.edits import Add

COEFFICIENTS, LAYERS = (0.0, 5.0, 10.0, 20.0), (1, 4)
EARLIER = [[0, 30, 30], [16, 30, 30], [30, 30, 30], [2, 5, 30], [3, 30, 30], [29, 30, 30]]
LATER = [[0, 30, 30], [1, 30, 30], [14, 30, 30], [28, 29, 30], [27, 30, 30], [28, 30, 30]]
HIDDEN = 6


def pair(earlier: list[list[int]], later: list[list[int]]) -> StagePair:
    first, second = (
        Stage(torch.tensor(each), (0.0, 0.1, 0.2, 0.4, 0.2, 0.2), torch.zeros(4, 3).long()) for each in (earlier, later)
    )
    return StagePair("sft", "preferred", COEFFICIENTS, LAYERS, (first, second))


def test_resistance_cliffs_and_layers_are_those_that_were_planted() -> None:
    planted = pair(EARLIER, LATER)
    assert (planted.resistance.earlier, planted.resistance.later, planted.resistance.factor) == (5, 20, 4)
    before, after = planted.cliffs
    assert before is not None
    assert (before.before, before.after, before.lost, after) == (10, 20, pytest.approx(25 / 30), None)
    assert planted.preserved == (4,)
    assert planted.sentence == (
        "sft -> preferred: steered from 5 and 20 on (x4.00); answers collapse between 10 and 20 and nowhere on the curve; "
        "layer 4 may be the best in both"
    )


def test_a_stage_that_nothing_steers_is_said_so() -> None:
    told = pair(EARLIER, [[0, 30, 30]] * 6)
    assert "steered from 5 and no coefficient on (xinf)" in told.sentence
    assert told.facts()["later_coefficient"] is None


def test_facts_are_json_and_keep_every_count() -> None:
    facts = json.loads(json.dumps(pair(EARLIER, LATER).facts(), allow_nan=False))
    assert facts["earlier_curve"] + facts["earlier_layers"] == EARLIER
    assert facts["later_curve"] + facts["later_layers"] == LATER
    assert facts["later_ratios"] == [0.0, 0.1, 0.2, 0.4, 0.2, 0.2]
    assert facts["earlier_random"] == [[0, 0, 0]] * 4
    assert (facts["earlier_cliff"][:2], facts["later_cliff"], facts["preserved_layers"]) == ([10, 20], None, [4])


def stage(blocks: tuple[int, ...], rows: ClassRows, edits: list[Sequence[Add]]) -> StageCurves:
    """A stage of 6 blocks whose answers are all refusals once 3 are added. edits: collects what is asked for."""
    settings = SimpleNamespace(layer=2, strength=3.0, blocks=blocks)
    here: Any = SimpleNamespace(settings=settings, model=SimpleNamespace(spec=SimpleNamespace(layers=6)))
    curves = StageCurves(here)

    def counted(asked: Sequence[Add]) -> Counts:
        edits.append(asked)
        return Counts(10 if asked and asked[0].coefficient >= 3 else 0, len(asked), 0, 10)

    curves.read = lambda: TraitRows({layer: rows for layer in range(6)}, 1, 4)
    curves.counted = counted
    curves.ratio = lambda asked: float(sum(edit.coefficient for edit in asked))
    curves.random = lambda: torch.eye(HIDDEN)[1]
    return curves


def planted_rows(value: float = 5.0) -> ClassRows:
    """The difference of means lies along the first axis."""
    positive = torch.zeros(4, HIDDEN)
    positive[:, 0] = value
    return ClassRows(positive, torch.zeros(4, HIDDEN), positive, torch.zeros(4, HIDDEN))


def test_curves_steer_as_the_preset_does() -> None:
    edits: list[Sequence[Add]] = []
    kept = Stage.unpack(stage((2, 3, 4, 5), planted_rows(), edits).measure((0.0, 1.5, 6.0), (4,)), 3)
    assert kept.counts.tolist() == [[0, 10, 10], [0, 6, 10], [10, 6, 10], [10, 8, 10]]
    assert kept.ratios == (0, 6, 24, 6)
    assert kept.random.tolist() == [[0, 10, 10], [0, 6, 10], [10, 6, 10]]
    blocks = [[(edit.site.layer, edit.coefficient) for edit in asked] for asked in edits]
    assert blocks[1:3] == [[(block, each) for block in (2, 3, 4, 5)] for each in (1.5, 6.0)]
    assert blocks[0] == []
    assert blocks[3] == [(4, 3.0), (5, 3.0)]
    assert edits[1][0].vector.tolist() == [1.0, 0, 0, 0, 0, 0]
    assert blocks[4:] == blocks[:3], "a random direction is added where the stage's own is"
    assert edits[5][0].vector.tolist() == [0, 1.0, 0, 0, 0, 0]


def test_a_preset_of_one_block_steers_one_block() -> None:
    edits: list[Sequence[Add]] = []
    stage((2,), planted_rows(), edits).measure((1.5,), (4,))
    assert [[edit.site.layer for edit in asked] for asked in edits] == [[2], [4], [2]]


def test_rows_that_are_not_finite_are_one_clear_line() -> None:
    with pytest.raises(EmptyMeasurement, match="harmful rows are NaN or infinite"):
        stage((2,), planted_rows(torch.nan), []).measure((1.0,), ())


def test_the_tested_layer_is_always_compared() -> None:
    spec: Any = read_registry(REGISTRY)["qwen7b"]
    coefficients, layers = asked_of(spec, SimpleNamespace(layer=16, strength=10.0))  # type: ignore[arg-type]
    assert (coefficients[0], coefficients[4], coefficients[-1]) == (0, 10, 40)
    assert {0, 16, 27} <= set(layers)
    assert len(layers) == 8 or len(layers) == 9
