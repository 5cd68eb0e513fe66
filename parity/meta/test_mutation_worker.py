"""One worker: a mutant stands in its own copy alone, is taken back, and is killed only by what is red twice."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parity.meta.forked_runs import ForkedRuns
from parity.meta.mutants import Mutant, mutants_of
from parity.meta.mutation_worker import CHECKS, OutOfTime, Worker, nearest_tests
from parity.meta.shares import in_part
from steering_core.places import ROOT

FILE = "steering_core/directions/difference_of_means.py"
MUTANT = mutants_of(FILE, (ROOT / FILE).read_text("utf-8"))[0]
TESTS = nearest_tests(FILE)
LIKE_TESTS = ("pytest", *TESTS)
GREEN: tuple[str, ...] = ()


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker with a copy of the suite."""
    with Worker(tmp_path_factory.mktemp("worker")) as worker:
        yield worker


def find(file: str, change: str) -> Mutant:
    return next(one for one in mutants_of(file, (ROOT / file).read_text("utf-8")) if change in one.change)


def test_a_mutant_is_killed_by_the_test_nearest_to_it(worker: Worker) -> None:
    mutant = find(FILE, "harmful.double().mean(0) - harmless.double().mean(0) -> ")

    measured = worker.measure(mutant)

    assert measured.outcome == "killed by tests"
    assert len(measured.red) == 1
    assert measured.red[0].startswith("steering_core/tests/directions/test_")
    assert (worker.tree / FILE).read_text() == (ROOT / FILE).read_text(), "taken back"


@in_part(0, 4)
def test_a_mutant_that_no_test_runs_is_killed_by_the_checks(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "red_tests", lambda *_: GREEN)

    measured = worker.measure(find("steering_core/observe/expectation.py", "torch.float32) * edit.coefficient -> "))

    assert measured.outcome == "killed by checks"
    assert {name.split()[0] for name in measured.red} >= {"S2", "S4"}


@in_part(1, 4)
def test_the_core_as_it_is_is_green(worker: Worker) -> None:
    assert (worker.red_tests(TESTS), worker.red_checks()) == (GREEN, GREEN)


class Script:
    """Stands in for `_red`: answers in order, and notes what was asked and which text the copies held."""

    def __init__(self, *answers: Any, watched: tuple[Path, ...] = ()) -> None:
        self.answers, self.asked, self.watched = list(answers), list[tuple[str, ...]](), watched
        self.texts: list[list[str]] = []

    def __call__(self, module: str, *arguments: str) -> tuple[str, ...]:
        self.asked.append((module, *(word for word in arguments if not word.startswith("-") and word != "0")))
        self.texts.append([file.read_text() for file in self.watched])
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def scripted(folder: Path, script: Script) -> Worker:
    """A worker with a copy of one file, in which nothing is run."""
    worker: Any = Worker(folder)
    (worker.tree / FILE).parent.mkdir(parents=True)
    (worker.tree / FILE).write_text((ROOT / FILE).read_text())
    worker._red = script
    return worker


RED, CELL = ("a.py::b",), ("S2 tiny_qwen2 hooks",)
ORDERS = {
    "killed by tests": [((RED, RED), [LIKE_TESTS, ("pytest", *RED)]), ((RED, GREEN, RED), None)],
    "killed by checks": [
        ((GREEN, CELL, CELL), [LIKE_TESTS, (CHECKS,), (CHECKS,)]),
        ((RED, GREEN, GREEN, CELL, CELL), None),
    ],
    "survived": [((GREEN, GREEN), [LIKE_TESTS, (CHECKS,)]), ((RED, GREEN, GREEN, CELL, GREEN), None)],
    "timed out": [((TimeoutError("180 s"),), [LIKE_TESTS]), ((GREEN, TimeoutError("180 s")), None)],
}


@pytest.mark.parametrize(
    ("outcome", "answers", "asked"),
    [(outcome, answers, asked) for outcome, cases in ORDERS.items() for answers, asked in cases],
)
def test_only_what_is_red_twice_kills(
    tmp_path: Path, outcome: str, answers: tuple[Any, ...], asked: list[tuple[str, ...]] | None
) -> None:
    script = Script(*answers)

    assert scripted(tmp_path, script).measure(MUTANT).outcome == outcome
    assert script.answers == []
    assert asked in (None, script.asked)


def test_a_mutant_stands_in_its_own_copy_alone(tmp_path: Path) -> None:
    other = scripted(tmp_path / "other", Script())
    script = Script(GREEN, GREEN)
    worker = scripted(tmp_path / "own", script)
    script.watched = (worker.tree / FILE, other.tree / FILE, ROOT / FILE)
    before = (ROOT / FILE).read_text()

    worker.measure(MUTANT)

    for own, *elsewhere in script.texts:
        assert own != before
        assert elsewhere == [before, before]
    assert (worker.tree / FILE).read_text() == before


def test_after_the_deadline_nothing_is_run(tmp_path: Path) -> None:
    worker = Worker(tmp_path, time.monotonic() - 1)

    with pytest.raises(OutOfTime):
        worker.red_checks()


@pytest.mark.parametrize(("deadline", "error"), [(float("inf"), TimeoutError), (0.0, OutOfTime)])
def test_a_run_that_does_not_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deadline: float, error: type[Exception]
) -> None:
    killed = list[int]()

    def never(seconds: float) -> int:
        worker.deadline = deadline  # reached while the run hangs
        raise TimeoutError

    worker = Worker(tmp_path)
    monkeypatch.setattr(worker, "runs", SimpleNamespace(start=lambda *_, **__: 7, wait=never, kill=killed.append))

    with pytest.raises(error):
        worker.red_checks()
    assert killed == [7]


def test_a_run_without_a_name_in_its_log_is_red_by_its_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(tmp_path)

    def start(*_: str, log: Path, **__: Any) -> int:
        log.write_text("Segmentation fault")
        return 7

    monkeypatch.setattr(worker, "runs", SimpleNamespace(start=start, wait=lambda seconds: -11))

    assert worker.red_checks() == ("exit status -11",)


def test_runs_of_a_worker_have_one_thread_and_see_only_their_copy(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "look.py").write_text(
        "import os, sys, torch\nprint(torch.get_num_threads(), os.environ['PYTHONPATH'], str(sys.argv[0:0]))\nsys.exit(3)"
    )

    worker.runs.start(log=tmp_path / "log", tree=tmp_path, module="look")

    assert worker.runs.wait() == 3
    assert (tmp_path / "log").read_text().split()[:2] == ["1", str(worker.tree)]


@in_part(2, 4)
def test_a_run_that_hangs_can_be_ended(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "hang.py").write_text("while True:\n    pass\n")
    runs: ForkedRuns = worker.runs
    run = runs.start(log=tmp_path / "log", tree=tmp_path, module="hang")

    with pytest.raises(TimeoutError):
        runs.wait(0.1)
    assert runs.kill(run) == -9
    assert worker.red_tests(TESTS) == GREEN, "the next run is as any other"
