"""Transfer between models on planted rows and answers, where the right cell is known."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from steering_core.errors import SuiteError
from steering_core.measure.findings.rows import ClassRows
from steering_core.measure.findings.sources import Source, direction_of
from steering_core.measure.findings.transfers import Transfers
from steering_core.models.relations import Relation

HIDDEN = 8


def rows(axis: int, hidden: int = HIDDEN) -> ClassRows:
    """The coordinate `axis` alone tells the classes apart, by 4 standard deviations."""
    generator = torch.Generator().manual_seed(axis)
    parts = [torch.randn(count, hidden, generator=generator) for count in (40, 40, 20, 20)]
    for part, sign in zip(parts, (1, -1, 1, -1), strict=True):
        part[:, axis] += 2 * sign
    return ClassRows(*parts)


def source(axis: int, hidden: int = HIDDEN) -> Source:
    planted = rows(axis, hidden)
    return Source("source", 3, "digest", torch.stack([planted.positive, planted.negative]), Relation.FAMILIES)


def transfers(moved_by: int, steered: list[Tensor | None] | None = None) -> Transfers:
    """Of a target whose classes differ along axis 0, and whose 30 answers show the trait when steered along `moved_by`, or
    its own direction. steered: collects the directions that are steered along."""
    spec = SimpleNamespace(key="target", hidden=HIDDEN)
    prompts = SimpleNamespace(evaluation=tuple(f"prompt {number}" for number in range(30)))
    here: Any = SimpleNamespace(model=SimpleNamespace(spec=spec), prompts=prompts)
    made, own = Transfers(here, SimpleNamespace()), rows(0)  # type: ignore[arg-type]

    def shown(chosen: Any, direction: Tensor | None) -> list[bool]:
        if steered is not None:
            steered.append(direction)
        works = direction is not None and max(float(direction[axis] / direction.norm()) for axis in {0, moved_by}) > 0.9
        return [works] * len(chosen.neutral)

    made.rows = lambda chosen: own
    made.direction = lambda chosen: own.positive.mean(0) - own.negative.mean(0)
    made.shown = shown
    made.random = lambda: torch.full((HIDDEN,), HIDDEN**-0.5)
    made.ratios = lambda chosen, direction: {"ratio": len(chosen.neutral) / 100}
    return made


@pytest.mark.parametrize(
    ("axis", "moved_by", "detects", "controls"),
    [(0, 0, True, True), (1, 1, False, True), (1, 0, False, False)],
)
def test_detection_and_control_are_those_that_were_planted(
    axis: int, moved_by: int, detects: bool, controls: bool
) -> None:
    measured = transfers(moved_by).measure_source(source(axis))
    cell = measured.cell
    assert measured.ratios == {"ratio": 0.3}, "of the prompts that are steered"
    assert (cell.source, cell.target) == ("source", "target")
    assert (cell.detects, cell.controls) == (detects, controls)
    assert cell.cosine == pytest.approx(float(axis == 0), abs=0.2)
    assert cell.control is not None
    assert (cell.control.own.successes, cell.control.baseline.successes) == (30, 0)
    assert cell.control.efficiency is not None
    assert cell.control.efficiency.point == float(controls)


def test_a_source_of_another_hidden_size_gives_geometry_and_steers_nothing() -> None:
    steered: list[Tensor | None] = []
    measured = transfers(0, steered).measure_source(source(0, HIDDEN + 4))
    assert measured.cell.limit == f"geometric only: hidden sizes {HIDDEN + 4} and {HIDDEN} differ"
    assert (measured.cell.cosine, measured.cell.detection, measured.cell.control) == (None, None, None)
    assert measured.ratios == {}
    assert steered == [None]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (torch.ones(2, 0, HIDDEN), "source far: the harmful class has no prompts"),
        (torch.full((2, 3, HIDDEN), torch.nan), "source far: 3 of 3 harmful rows are NaN or infinite"),
    ],
)
def test_a_source_without_a_direction_is_named_in_one_line(broken: Tensor, words: str) -> None:
    with pytest.raises(SuiteError) as refused:
        direction_of(Source("far", 3, "digest", broken, Relation.SIZES))
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
