"""How far the reference's answers repeat themselves: between draws, and with and without a KV cache."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from steering_core.measure import reference
from steering_core.measure.steering import SteeringMeasurements
from steering_core.models.model import LoadedModel
from steering_core.tests.small_experiments import new_experiment

pytestmark = pytest.mark.usefixtures("one_thread")
FIRST = torch.tensor([[1, 2, 3], [4, 5, 6]])


@pytest.fixture
def steering(loaded: LoadedModel, tmp_path: Path) -> SteeringMeasurements:
    return SteeringMeasurements(new_experiment(loaded, tmp_path))


def changed_at(row: int, step: int) -> Tensor:
    other = FIRST.clone()
    other[row, step] = 9
    return other


@pytest.mark.parametrize(
    ("second", "third", "floor"),
    [(FIRST, FIRST, None), (changed_at(0, 2), changed_at(1, 1), [1, 1]), (FIRST, changed_at(0, 2), [0, 2])],
)
def test_the_repeat_floor_is_the_earliest_difference_of_three_draws(
    second: Tensor, third: Tensor, floor: list[int] | None, steering: SteeringMeasurements, monkeypatch: Any
) -> None:
    """The draws after the first have numbers of their own: a tool's repetitions are numbered from 0 upward."""
    draws = {0: FIRST, -1: second, -2: third}
    monkeypatch.setattr(steering.experiment, "reference_answers", lambda direction, draw: draws[draw])

    assert steering.repeat_floor(torch.ones(48)) == floor


@pytest.mark.parametrize(("uncached", "floor"), [(FIRST, None), (changed_at(1, 2), [1, 2])])
def test_the_cache_floor_is_where_the_reference_departs_without_a_cache(
    uncached: Tensor, floor: list[int] | None, steering: SteeringMeasurements, monkeypatch: pytest.MonkeyPatch
) -> None:
    def generate(model: LoadedModel, *arguments: Any) -> Tensor:
        return FIRST if model.use_cache else uncached

    steering.experiment.true_direction()
    monkeypatch.setattr(reference, "generate", generate)

    assert steering.cache_floor(3) == floor


def test_the_reference_answers_once_for_the_same_edits(
    steering: SteeringMeasurements, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every tool is compared with the same answers; other edits, lengths and ways of feeding have their own."""
    calls: list[tuple[bool, int]] = []

    def generate(model: LoadedModel, batch: Any, edits: Any, new_tokens: int) -> Tensor:
        calls.append((model.use_cache, len(edits)))
        return FIRST

    monkeypatch.setattr(reference, "generate", generate)
    steering.reference_ids([], 3)
    assert steering.draws_floor([], 3) is None
    assert len(calls) == 3

    for edits, tokens, feeding in (
        ([], 3, "cache"),
        (steering.zero(), 3, "cache"),
        ([], 4, "cache"),
        ([], 3, "no-cache"),
    ):
        steering.reference_ids(edits, tokens, feeding)
    steering.reference_ids(steering.zero(), 3)
    assert calls[3:] == [(True, 1), (True, 0), (False, 0)]
