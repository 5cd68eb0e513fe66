"""What the curves of two stages must show, on counts written out here."""

import pytest
import torch

from parity.findings.stage_demands import demand_pair, demand_random, demand_unsteered
from steering_core.directions.evaluation.stages import Resistance
from steering_core.measure.findings.stage_facts import StagePair
from steering_core.measure.findings.tuning_stages import Stage
from steering_core.records.draft import Draft
from steering_core.records.record import Cell

CURVE = [[0, 30, 30], [10, 30, 30], [28, 29, 30], [3, 6, 30]]
COEFFICIENTS = (0.0, 1.0, 2.0, 4.0)


def pair(later: list[list[int]], kind: type[StagePair] = StagePair) -> StagePair:
    return kind("sft", "preferred", COEFFICIENTS, (), (stage(CURVE), stage(later)))


def stage(curve: list[list[int]], random: list[list[int]] | None = None) -> Stage:
    still = [[0, 30, 30] for _ in curve]
    return Stage(torch.tensor(curve), (0.0,) * len(curve), torch.tensor(still if random is None else random))


def record() -> Draft:
    return Draft(Cell(clause="F7", model="preferred", variant="after:sft"))


def test_curves_that_begin_unsteered_hold() -> None:
    demand_unsteered(record(), pair(CURVE))
    demand_pair(record(), pair(CURVE))


@pytest.mark.parametrize(
    ("first", "words"),
    [
        ([15, 30, 30], "later stage unsteered: 15 of 30 answers refuse, 30 are not garbled: no curve begins there"),
        ([0, 15, 30], "later stage unsteered: 0 of 30 answers refuse, 15 are not garbled"),
        ([0, 29, 29], "every point of the later stage counts 29 answers, but"),
    ],
)
def test_a_curve_that_begins_elsewhere_is_refuted(first: list[int], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        demand_unsteered(record(), pair([first, *CURVE[1:]]))


@pytest.mark.parametrize(
    ("last", "words"),
    [
        ([15, 30, 30], "later stage, random direction, coefficient 4: 15 of 30 answers refuse"),
        ([0, 29, 29], "0 of 29 answers refuse, of 30 along its own direction"),
    ],
)
def test_a_random_direction_that_steers_is_refuted(last: list[int], words: str) -> None:
    demand_random(record(), pair(CURVE))
    random = stage(CURVE, [*[[0, 30, 30]] * 3, last])
    with pytest.raises(AssertionError, match=words):
        demand_random(record(), StagePair("sft", "preferred", COEFFICIENTS, (), (stage(CURVE), random)))


class NoCoefficient(StagePair):
    """Both stages steered from the first coefficient on."""

    @property
    def resistance(self) -> Resistance:
        return Resistance(1.0, 1.0)


class EarlyCliff(StagePair):
    """The cliff a step too early."""

    @property
    def cliffs(self):  # type: ignore[no-untyped-def]
        first, second = super().cliffs
        assert first is not None
        return type(first)(1.0, 2.0, first.lost), second


@pytest.mark.parametrize(
    ("kind", "words"),
    [(NoCoefficient, "earlier stage steered from 1.0 on, by its counts"), (EarlyCliff, "earlier stage: cliff")],
)
def test_what_the_counts_do_not_show_is_refuted(kind: type[StagePair], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        demand_pair(record(), pair(CURVE, kind))
