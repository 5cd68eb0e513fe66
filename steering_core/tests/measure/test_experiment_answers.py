"""Steered generation in an experiment: by which tool, along what, in which batches, and how often."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from steering_core.measure import reference
from steering_core.measure.experiment import Experiment
from steering_core.measure.steering import SteeringMeasurements
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.tests.chat_checkpoint import PROMPTS, SETTINGS
from steering_core.tests.small_experiments import CountingTool, new_experiment
from steering_core.tools.edits import Add

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def experiment(loaded: LoadedModel, tmp_path: Path) -> Experiment:
    return new_experiment(loaded, tmp_path)


def test_steers_along_the_unit_direction_at_the_blocks_of_the_preset(experiment: Experiment) -> None:
    edits = experiment.edits(torch.tensor([3.0, 4.0] + [0.0] * 46))

    assert [edit.site for edit in edits] == [Site("resid_post", 1), Site("resid_post", 2)]
    assert all(isinstance(edit, Add) and edit.coefficient == 3.0 for edit in edits)
    assert edits[0].vector[:2].tolist() == pytest.approx([0.6, 0.8])
    assert SteeringMeasurements(experiment).zero()[0].vector.abs().sum() == 0


def test_answers_come_in_batches_and_in_the_order_of_the_prompts(loaded: LoadedModel, tmp_path: Path) -> None:
    small, one = new_experiment(loaded, tmp_path / "a"), new_experiment(loaded, tmp_path / "b", batch_size=1)
    tool = CountingTool()

    answers = small.answers(tool, small.true_direction(), 0, "native")

    assert tool.generations == 2, "five prompts, three at a time"
    assert answers.shape == (5, 4)
    assert torch.equal(answers, one.answers(tool, one.true_direction(), 0, "native")), "row i answers prompt i"


def test_answers_of_unequal_length_are_padded_to_one_width(loaded: LoadedModel, tmp_path: Path) -> None:
    experiment = new_experiment(loaded, tmp_path, batch_size=1)
    free = experiment.plain_answers(PROMPTS.evaluation)
    loaded.module.generation_config.eos_token_id = int(free[0, 0])

    cut = new_experiment(loaded, tmp_path / "cut", batch_size=1).plain_answers(PROMPTS.evaluation)

    assert cut.shape == free.shape
    assert cut[0].tolist() == [int(free[0, 0]), 0, 0, 0]


@pytest.mark.parametrize("applied_by", ["reference", "native"])
def test_both_arms_apply_the_given_direction(experiment: Experiment, applied_by: Any) -> None:
    direction = experiment.true_direction()
    tool = CountingTool()

    answers = experiment.answers(tool, direction, 0, applied_by)

    assert not torch.equal(answers, experiment.plain_answers(PROMPTS.evaluation)), (
        "steering without effect proves nothing"
    )
    assert not torch.equal(answers, experiment.answers(tool, -direction, 0, applied_by))
    assert tool.generations == (4 if applied_by == "native" else 0)


def test_the_reference_arm_is_the_reference(experiment: Experiment) -> None:
    direction = experiment.true_direction()
    batch = experiment.batch(PROMPTS.evaluation[:3])
    expected = reference.generate(experiment.model, batch, experiment.edits(direction), SETTINGS.max_new_tokens)

    answers = experiment.answers(CountingTool(), direction, 0, "reference")

    assert torch.equal(answers[:3], expected)


def test_an_answer_is_generated_once_for_each_thing_it_depends_on(loaded: LoadedModel, tmp_path: Path) -> None:
    experiment, tool = new_experiment(loaded, tmp_path, batch_size=30), CountingTool()
    direction = experiment.true_direction()
    changes: list[dict[str, Any]] = [
        *({"settings": replace(SETTINGS, strength=2.0)}, {"settings": replace(SETTINGS, max_new_tokens=3)}),
        *({"settings": replace(SETTINGS, blocks=(1,))}, {"batch_size": 29}, {"weights": "other"}),
        {"prompts": replace(PROMPTS, evaluation=("w50",))},
    ]

    for along, repeat in ((direction, 0), (direction, 0), (direction, 1), (-direction, 0)):
        experiment.answers(tool, along, repeat, "native")
    for change in changes:
        new_experiment(loaded, tmp_path, **{"batch_size": 30, **change}).answers(tool, direction, 0, "native")
    newer = CountingTool("2")
    experiment.answers(newer, direction, 0, "native")

    assert tool.generations == 3 + len(changes), "only the second is the same measurement as the first"
    assert newer.generations == 1, "another version is another tool"
