"""Answers of a tool, and of the reference in processes of its own: shared out, and the same."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from steering_core.errors import SuiteError
from steering_core.hosts.beside import Alone
from steering_core.hosts.turn import Turn
from steering_core.measure import reference
from steering_core.measure.experiment import Experiment
from steering_core.measure.hosted_reference import Reference
from steering_core.measure.reference_processes import ReferenceProcesses
from steering_core.models.model import LoadedModel
from steering_core.tests.chat_checkpoint import PROMPTS
from steering_core.tests.small_experiments import CountingTool, new_experiment

LONG = 30.0


class Several(Alone):
    """A tool with further processes, which answer one after the other here."""

    def __init__(self, *further: Any) -> None:
        self.further = list(further)

    def beside(self, tool: Any) -> list[Any]:
        return self.further


def direction(seed: int) -> Tensor:
    return torch.randn(48, generator=torch.Generator().manual_seed(seed))


def repeated(experiment: Experiment, repeats: Sequence[int]) -> Experiment:
    """Repeats of the tool's answers are wanted, each along a direction of its own, but not all of these are known."""
    experiment.repeats |= {("counting", number) for number in repeats}
    experiment.directions.update({("counting", number): direction(number) for number in repeats if number != 4})
    return experiment


def test_repeats_are_shared_out_among_the_processes_of_a_tool(loaded: LoadedModel, tmp_path: Path) -> None:
    tool, further = CountingTool(), CountingTool()
    experiment = repeated(new_experiment(loaded, tmp_path / "shared", batch_size=30), [0, 1, 2, 3, 4])
    experiment.hosts = Several(further)
    alone, other = new_experiment(loaded, tmp_path / "alone", batch_size=30), CountingTool()

    shared = [experiment.answers(tool, direction(number), number, "native") for number in (1, 0, 2, 3)]

    assert (tool.generations, further.generations) == (2, 2), "of the repeats whose direction is known"
    expected = [alone.answers(other, direction(number), number, "native") for number in (1, 0, 2, 3)]
    assert all(one.equal(another) for one, another in zip(shared, expected, strict=True))


def test_what_was_not_planned_is_not_generated(loaded: LoadedModel, tmp_path: Path) -> None:
    tool, further = CountingTool(), CountingTool()
    experiment = repeated(new_experiment(loaded, tmp_path, batch_size=30), [0, 1])
    experiment.repeats.clear()
    experiment.hosts = Several(further)

    experiment.answers(tool, direction(0), 0, "native")

    assert (tool.generations, further.generations) == (1, 0)


def test_a_repeat_that_fails_elsewhere_is_asked_for_again_by_its_own_check(loaded: LoadedModel, tmp_path: Path) -> None:
    tool, further = CountingTool(), CountingTool()

    def fail(*asked: Any) -> Tensor:
        raise SuiteError("process", "ended", "")

    further.generate = fail  # type: ignore[method-assign]
    experiment = repeated(new_experiment(loaded, tmp_path, batch_size=30), [0, 1])
    experiment.hosts = Several(further)

    assert len(experiment.answers(tool, direction(0), 0, "native")) == len(PROMPTS.evaluation)
    assert tool.generations == 1
    experiment.answers(tool, direction(1), 1, "native")
    assert tool.generations == 2


class Elsewhere(Reference):
    """The reference in another process: it gives the turn away while it answers."""

    def __init__(self, turn: Turn, until: Callable[[], object] = lambda: None) -> None:
        self.turn, self.until, self.generations = turn, until, 0
        self.steered = list[float]()

    def generate(self, *asked: Any) -> Tensor:
        self.steered.append(float(asked[2][0].vector[0]))
        with self.turn.waiting():
            self.until()
        self.generations += 1
        return super().generate(*asked)


def planned(experiment: Experiment, seeds: Sequence[int]) -> Experiment:
    experiment.planned.sources += [lambda seed=seed: experiment.want_steered(direction(seed), 0) for seed in seeds]
    return experiment


@pytest.fixture
def turn() -> Turn:
    return Turn()


def test_planned_answers_are_generated_in_all_processes_of_the_reference(
    loaded: LoadedModel, tmp_path: Path, turn: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one that is wanted goes first; each process answers only once the other one was asked."""
    together = threading.Barrier(2, timeout=LONG)
    tools = [Elsewhere(turn, together.wait) for _ in range(2)]
    experiment = planned(new_experiment(loaded, tmp_path / "shared", batch_size=30), [1, 2, 3, 4])
    experiment.planned.processes = ReferenceProcesses(2, tools.__getitem__, turn, lambda: None)
    alone = new_experiment(loaded, tmp_path / "alone", batch_size=30)
    expected = [alone.reference_answers(direction(seed), 0) for seed in (4, 1, 2, 3)]

    found = [experiment.reference_answers(direction(seed), 0) for seed in (4, 1, 2, 3)]

    assert sum(tool.generations for tool in tools) == 4
    assert all(one.equal(another) for one, another in zip(found, expected, strict=True))
    monkeypatch.setattr(reference, "generate", lambda *asked: pytest.fail("generated again"))
    experiment.reference_answers(direction(3), 0)


def test_what_is_waited_for_goes_before_what_is_only_planned(loaded: LoadedModel, tmp_path: Path, turn: Turn) -> None:
    """While the second answer is being generated, because it follows the first, the fourth one is asked for."""
    experiment = planned(new_experiment(loaded, tmp_path, batch_size=30), [1, 2, 3, 4])
    fourth = experiment.store.path(experiment.want_steered(direction(4), 0).key)

    def until() -> None:
        deadline = time.monotonic() + LONG / 10
        while len(tool.steered) == 2 and processes._queue[0][0] != fourth and time.monotonic() < deadline:
            time.sleep(0.001)

    tool = Elsewhere(turn, until)
    processes = experiment.planned.processes = ReferenceProcesses(1, lambda number: tool, turn, lambda: None)

    for seed in (1, 4, 3):
        experiment.reference_answers(direction(seed), 0)

    assert tool.steered == [float(experiment.edits(direction(seed))[0].vector[0]) for seed in (1, 2, 4, 3)]


def test_an_answer_whose_process_fails_is_generated_here(loaded: LoadedModel, tmp_path: Path, turn: Turn) -> None:
    def fail() -> None:
        raise SuiteError("process", "ended", "")

    experiment = planned(new_experiment(loaded, tmp_path, batch_size=30), [1, 2])
    experiment.planned.processes = ReferenceProcesses(1, lambda number: Elsewhere(turn, fail), turn, lambda: None)

    assert len(experiment.reference_answers(direction(1), 0)) == len(PROMPTS.evaluation)


def test_what_nobody_waits_for_is_not_generated_at_the_end(loaded: LoadedModel, tmp_path: Path, turn: Turn) -> None:
    """The first answer is there, the second is being generated, the third was not begun."""
    allowed, begun, interrupted = iter([True]), threading.Event(), threading.Event()

    def until() -> None:
        if not next(allowed, False):
            begun.set()
            assert interrupted.wait(LONG)
            raise SuiteError("process", "ended", "")

    tool = Elsewhere(turn, until)
    experiment = planned(new_experiment(loaded, tmp_path, batch_size=30), [1, 2, 3])
    processes = experiment.planned.processes = ReferenceProcesses(1, lambda number: tool, turn, interrupted.set)
    experiment.reference_answers(direction(1), 0)
    with turn.waiting():
        assert begun.wait(LONG)

    processes.close()

    assert interrupted.is_set()
    assert tool.generations == 1
    assert [experiment.store.find(experiment.want_steered(direction(seed), 0).key) is None for seed in (1, 2, 3)] == [
        False,
        True,
        True,
    ]
