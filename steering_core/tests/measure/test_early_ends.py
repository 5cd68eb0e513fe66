"""End tokens are chosen so that the rows of a generation end at different steps."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from steering_core.measure import reference
from steering_core.measure.early_ends import early_end, ending_early, weaker
from steering_core.measure.steering import SteeringMeasurements
from steering_core.models.model import LoadedModel
from steering_core.observe.shifts import end_tokens
from steering_core.tests.chat_checkpoint import PROMPTS
from steering_core.tests.small_experiments import new_experiment

pytestmark = pytest.mark.usefixtures("one_thread")
PADDING = 0


@pytest.mark.parametrize(
    ("answers", "chosen"),
    [
        ([[5, 6, 7, 8], [6, 5, 9, 8], [7, 7, 8, 8]], ([1, 6], [2, 1, 4])),
        ([[5, 7, 7], [6, 7, 7]], ([1, 5], [1, 3])),
        ([[5, 6, 7], [5, 6, 7]], ([1, 6], [2, 2])),
        ([[5, 1, 0, 0], [6, 7, 8, 9]], ([1, 8], [2, 3])),
        ([[5, 0, 6], [7, 6, 0]], ([1, 6], [3, 2])),
        ([[1, 0], [1, 0]], ([1], [1, 1])),
        ([[5]], ([1, 5], [1])),
    ],
    ids=["most steps", "first step", "rows alike", "own end", "padding is no end", "own ends only", "one token"],
)
def test_the_token_that_ends_rows_at_the_most_steps_is_chosen(
    answers: Sequence[Sequence[int]], chosen: tuple[list[int], list[int]]
) -> None:
    assert early_end(answers, [1], PADDING) == chosen


def test_steering_is_made_weaker_until_rows_differ_and_asked_of_the_reference_once(
    loaded: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second tool gets the kept answers."""
    experiment = new_experiment(loaded, tmp_path)
    steering, batch = SteeringMeasurements(experiment), experiment.batch(PROMPTS.evaluation)
    strengths, generate = list[float](), reference.generate

    def alike_if_strong(model: LoadedModel, batch: Any, edits: Any, new_tokens: int) -> Tensor:
        strengths.append(edits[0].coefficient)
        answers = generate(model, batch, edits, new_tokens)
        return (
            answers if abs(edits[0].coefficient) < abs(experiment.settings.strength) else answers[:1].expand_as(answers)
        )

    monkeypatch.setattr(reference, "generate", alike_if_strong)

    first, second = (ending_early(experiment, steering.draws, batch, weaker(experiment), 4) for _ in range(2))

    assert strengths == [experiment.settings.strength, experiment.settings.strength / 2]
    assert first.differ
    assert first.tokens[:-1] == end_tokens(loaded)
    assert (first.tokens, first.steps) == (second.tokens, second.steps)
    assert [edit.site.layer for edit in first.edits] == [*experiment.settings.blocks]


def test_rows_that_never_differ_get_an_end_token_all_the_same(loaded: LoadedModel, tmp_path: Path) -> None:
    experiment = new_experiment(loaded, tmp_path)
    steering, batch = SteeringMeasurements(experiment), experiment.batch(PROMPTS.evaluation[:1] * 3)

    early = ending_early(experiment, steering.draws, batch, [[]], 4)

    assert not early.differ
    assert max(early.steps) < 4
