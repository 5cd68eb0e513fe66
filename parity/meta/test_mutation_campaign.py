"""The campaign: what it runs and in which order, what counts as killed, what is stored, and when it stops."""

import itertools
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from parity.meta import mutation_campaign
from parity.meta.mutants import Mutant
from parity.meta.mutation_campaign import campaign, check_unmutated, main, parsed
from parity.meta.mutation_results import Results, Row, summary
from parity.meta.mutation_worker import CHECKS, SHORTEST, Measured, OutOfTime, Worker, nearest_tests
from steering_core.places import ROOT

FILE = "steering_core/directions/difference_of_means.py"
MUTANTS = [Mutant(FILE, number, f"{FILE}:1", "x -> y") for number in range(4)]


class StubWorker(Worker):
    """Measures nothing: takes its answers from a function of the mutant."""

    def __init__(self, answer: Callable[[Mutant], Measured]) -> None:
        self.answer, self.tried = answer, list[int]()

    def measure(self, mutant: Mutant) -> Measured:
        """The answer, noted."""
        self.tried.append(mutant.number)
        return self.answer(mutant)


def ordered(rows: Iterable[Row]) -> list[Row]:
    """Mutants come as they are done; here, by number."""
    return sorted(rows, key=lambda row: row["number"])


def surviving(_: Mutant) -> Measured:
    return Measured("survived")


def test_a_finished_mutant_is_not_tried_again(tmp_path: Path) -> None:
    file, worker = tmp_path / "rows.jsonl", StubWorker(surviving)

    first = ordered(campaign(MUTANTS[:2], Results(file), [worker]))
    rows = ordered(campaign(MUTANTS, Results(file), [worker]))

    assert (worker.tried, rows[:2]) == ([0, 1, 2, 3], first)
    assert ordered(map(json.loads, file.read_text().splitlines())) == rows


def test_a_mutant_of_another_version_of_its_file_is_tried_again(tmp_path: Path) -> None:
    file, worker = tmp_path / "rows.jsonl", StubWorker(surviving)
    (row,) = campaign(MUTANTS[:1], Results(file), [worker])
    file.write_text(json.dumps({**row, "source": "0" * 16}) + "\n")

    list(campaign(MUTANTS[:1], Results(file), [worker]))

    assert worker.tried == [0, 0]


def test_survivors_are_tried_again_on_request(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    worker = StubWorker(lambda mutant: Measured("survived" if mutant.number else "killed by tests", ("a::b",)))
    list(campaign(MUTANTS[:2], Results(file), [worker]))
    better = StubWorker(lambda mutant: Measured("killed by checks", ("P1",)))

    rows = ordered(campaign(MUTANTS[:2], Results(file, retry=True), [better]))

    assert (better.tried, [row["outcome"] for row in rows]) == ([1], ["killed by tests", "killed by checks"])
    assert [row["red"] for row in campaign(MUTANTS[:2], Results(file), [worker])] == [["a::b"], ["P1"]], (
        "the last row counts"
    )


def test_workers_share_the_mutants_and_those_out_of_time_have_no_row(tmp_path: Path) -> None:
    def until_the_third(mutant: Mutant) -> Measured:
        if mutant.number > 1:
            raise OutOfTime
        return Measured("survived")

    workers = [StubWorker(until_the_third) for _ in range(2)]

    rows = list(campaign(MUTANTS, Results(tmp_path / "rows.jsonl"), workers))

    assert sorted(row["number"] for row in rows) == [0, 1]
    assert sorted(number for worker in workers for number in worker.tried) == [0, 1, 2, 3]


def test_an_error_of_the_campaign_itself_is_not_hidden(tmp_path: Path) -> None:
    worker = StubWorker(lambda mutant: 1 / 0)  # type: ignore[arg-type,return-value]

    with pytest.raises(ZeroDivisionError):
        list(campaign(MUTANTS, Results(tmp_path / "rows.jsonl"), [worker]))


def rows(**outcomes: int) -> list[dict[str, Any]]:
    """So many rows of each outcome."""
    words = [word.replace("_", " ") for word, count in outcomes.items() for _ in range(count)]
    row = {"file": "a.py", "change": "x -> y", "seconds": 2.0}
    return [{**row, "number": n, "place": f"a.py:{n}", "outcome": word} for n, word in enumerate(words)]


def test_the_summary_has_the_score_its_interval_who_killed_and_the_survivors() -> None:
    """28 of 30 has Wilson's interval 78.7 to 98.2 % (Wilson 1927; the study's table)."""
    counted = rows(survived=2, killed_by_tests=20, killed_by_checks=7, timed_out=1)

    assert summary(counted[::-1], 33).splitlines() == [
        "28 of 30 mutants killed: 93.3% (95 % interval 78.7% to 98.2%, Wilson)",
        "20 by tests, 7 by the parity checks alone, 1 timed out",
        "2.0 s per mutant; 3 not measured",
        "2 survived:",
        "  a.py:0 x -> y",
        "  a.py:1 x -> y",
    ]
    assert summary([], 33) == "no mutant was measured"


def test_the_nearest_tests_come_first_and_those_of_the_room_all_run() -> None:
    tests = nearest_tests("steering_core/models/sites.py")

    room = {path.relative_to(ROOT).as_posix() for path in (ROOT / "steering_core/tests/models").glob("test_*.py")}
    assert tests[0] == "steering_core/tests/models/test_sites.py"
    assert room <= set(tests)
    assert len(tests) == len(set(tests))
    direct, far = "steering_core/tests/tools/test_reading.py", "steering_core/tests/models/test_memory.py"
    assert tests.index(direct) < tests.index(far), "one imports the module, the other is only of its room"
    assert "steering_core/tests/quality/test_study_v1.py" not in tests


class StubRed(Worker):
    """What is red without a mutant is as given: names by folder of the tests, or of the checks."""

    def __init__(self, red: dict[str, tuple[str, ...]]) -> None:
        self.red_names, self.ran = red, list[str]()

    def red_tests(self, tests: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the folder."""
        (folder,) = {Path(test).parent.name for test in tests}
        self.ran.append(folder)
        return self.red_names.get(folder, ())

    def red_checks(self) -> tuple[str, ...]:
        """Those of the checks; out of time, or hanging, if so given."""
        self.ran.append(CHECKS)
        errors = {("late",): OutOfTime(), ("slow",): TimeoutError("it hangs")}
        if (names := self.red_names.get(CHECKS, ())) in errors:
            raise errors[names]
        return names


@pytest.mark.parametrize(
    ("red", "message"),
    [
        ({"directions": ("a::b",)}, "no mutant was tried: a::b"),
        ({CHECKS: ("P1", "P2")}, "no mutant was tried: P1, P2"),
        ({CHECKS: ("late",)}, "the time was over"),
        ({CHECKS: ("slow",)}, "on the core as it is, it hangs; no mutant was tried"),
    ],
)
def test_a_core_that_is_red_as_it_is_ends_the_campaign(red: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        check_unmutated([StubRed(red)], MUTANTS)


def test_every_test_folder_and_the_checks_run_once_on_the_core_as_it_is() -> None:
    worker = StubRed({})

    check_unmutated([worker], MUTANTS)

    assert worker.limit == SHORTEST, "ten times a moment is not long enough"
    assert CHECKS in worker.ran
    assert "directions" in worker.ran
    assert len(worker.ran) == len(set(worker.ran))


def test_a_slow_machine_gives_mutants_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two readings per job, a minute apart."""
    clock = itertools.count(step=60.0)
    monkeypatch.setattr(mutation_campaign.time, "monotonic", lambda: next(clock))
    worker = StubRed({})

    check_unmutated([worker], MUTANTS)

    assert worker.limit == 600.0


def test_a_test_beside_the_parity_checks_counts_unless_it_starts_whole_runs() -> None:
    assert nearest_tests("steering_core/models/hub.py")[0] == "parity/meta/test_hub.py"
    assert "parity/meta/test_registry.py" not in nearest_tests("steering_core/models/registry.py")


def test_no_time_means_no_mutant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutation_campaign, "Worker", NoTime)

    with pytest.raises(SystemExit, match="the time was over"):
        main(["--rooms", "directions", "--minutes", "0", "--results", str(tmp_path / "rows.jsonl")])


class NoTime(Worker):
    """A worker without a copy."""

    def __enter__(self) -> "NoTime":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""


def test_the_command_line_has_its_limits() -> None:
    options = parsed(["--workers", "16", "--minutes", "9.5", "--sample", "40", "--seed", "1"])

    assert (options.workers, options.minutes, options.sample, options.seed) == (16, 9.5, 40, 1)
    assert parsed([]).minutes == float("inf")
