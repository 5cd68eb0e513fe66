"""What `--follow` does next, from the files of a run."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reports import following
from reports.following import ROUNDS, follow, next_round, without_places
from reports.verdicts.sweeps import Condition
from steering_core.errors import ArtifactProblem
from steering_core.places import ROOT
from steering_core.records.followed import (
    FOLLOWED,
    Asked,
    read_followed,
    with_followed,
    without_followed,
    write_followed,
)
from steering_core.records.journal import JOURNAL, PLAN, Journal
from steering_core.records.record import Cell, Outcome, Plan, Record

SWEPT = Cell(clause="W1", model="qwen7b", variant="60-dim-15")
FURTHER = Cell(clause="W1", model="qwen7b", variant="30-dim-15")
BASE = Plan(models=("qwen7b",), tools=(), repeats=1, preset="v3", required=(SWEPT, FURTHER), planned=(SWEPT,))
ASKED = Condition("qwen7b", "W1", 30, 15.0, "dim")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run whose one condition has a record."""
    (tmp_path / PLAN).write_text(BASE.model_dump_json())
    journal = Journal(tmp_path)
    journal.append(Record(cell=SWEPT, outcome=Outcome.AGREES).model_dump_json())
    journal.close()
    return tmp_path


@pytest.fixture
def decide(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets what decisions ask for."""
    return lambda *wanted: monkeypatch.setattr(following, "next_conditions", lambda records, reviews: wanted)


def test_a_round_is_written_down_and_repeated_until_it_is_done(run: Path, decide: Any) -> None:
    decide(ASKED)
    assert next_round(run)
    assert read_followed(run).conditions == (Asked(model="qwen7b", clause="W1", depth=30, multiplier=15, method="dim"),)
    decide()
    assert next_round(run), "the round is not done"

    write_followed(run, read_followed(run).finished())
    assert not next_round(run)
    decide(ASKED)
    assert not next_round(run), "a condition is not asked for twice"


def test_nothing_is_decided_while_a_planned_cell_has_no_record(
    run: Path, decide: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    decide(ASKED)
    (run / JOURNAL).write_text("")

    assert not next_round(run)
    assert "1 planned checks have no record" in capsys.readouterr().out


def test_conditions_of_other_models_are_named_and_not_run(
    run: Path, decide: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    decide(Condition("qwen3b", "W2", method="dim"))

    assert not next_round(run)
    assert "on models that are not in this run: W2 qwen3b dim" in capsys.readouterr().out


def test_rounds_are_limited(run: Path, decide: Any) -> None:
    for depth in range(ROUNDS):
        decide(Condition("qwen7b", "W1", depth, 15.0, "dim"))
        assert next_round(run)
        write_followed(run, read_followed(run).finished())

    decide(ASKED)
    assert not next_round(run)


def test_a_round_that_leaves_cells_undone_is_not_repeated_at_once(
    run: Path, decide: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(ASKED)
    calls = []

    def end_early(command: list[str], directory: Path) -> int:
        calls.append(command)
        (run / PLAN).write_text(with_followed(BASE, [FURTHER]).model_dump_json())
        return 0

    monkeypatch.setattr(following, "run_round", end_early)
    options = {"follow": True, "run_dir": str(run)}
    invoked = SimpleNamespace(args=("parity", "--follow", "--run-dir", "x", "-q"), dir=run)
    config: Any = SimpleNamespace(getoption=lambda name: options.get(name), invocation_params=invoked)

    assert follow(config, pytest.ExitCode.OK) == pytest.ExitCode.TESTS_FAILED
    assert [command[3:] for command in calls] == [["parity", "--follow", "-q", "--resume", str(run), "--follow-round"]]
    assert read_followed(run).pending
    options["follow"] = False
    assert follow(config, pytest.ExitCode.OK) == pytest.ExitCode.OK
    assert len(calls) == 1


def test_ctrl_c_waits_for_a_round_that_ends_in_order(tmp_path: Path) -> None:
    """A round that is still writing its report must not be left behind, nor hidden by a traceback."""
    heeding = "import signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell may ignore it
    ending = f"{heeding}try: print('begun', flush=True), time.sleep(60)\n"
    ending += "except KeyboardInterrupt: time.sleep(1), print('written', flush=True)\nraise SystemExit(2)"
    program = f"{heeding}import sys\nfrom pathlib import Path\nfrom reports.following import run_round\n"
    program += f"sys.exit(run_round([sys.executable, '-c', {ending!r}], Path('.')))"
    waiting = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert waiting.stdout
    assert waiting.stdout.readline() == "begun\n"

    os.killpg(waiting.pid, signal.SIGINT)

    assert waiting.communicate(timeout=60)[0].splitlines()[-1] == "written"
    assert waiting.returncode == 2


@pytest.mark.parametrize("given", ["--run-dir=x", "--resume=x", "--run-dir x", "--resume x"])
def test_the_place_of_the_run_is_given_anew(given: str) -> None:
    assert without_places(["parity", *given.split(), "-q"]) == ["parity", "-q"]


def test_a_plan_is_extended_once_and_can_be_taken_back() -> None:
    extended = with_followed(with_followed(BASE, [FURTHER]), [FURTHER, SWEPT])

    assert extended.planned == (SWEPT, FURTHER)
    assert extended.followed == (FURTHER,)
    assert without_followed(extended) == BASE


def test_a_damaged_list_of_conditions_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / FOLLOWED).write_text('{"rounds": 1}')

    with pytest.raises(ArtifactProblem, match="is not a list of conditions"):
        read_followed(tmp_path)


@pytest.mark.parametrize(
    ("params", "matches"),
    [
        ({"model_key": "qwen7b", "depth": 30, "multiplier": 15, "method": "dim"}, True),
        ({"model_key": "qwen7b", "depth": 30, "multiplier": 15, "method": "cosmic"}, False),
        ({"model_key": "qwen7b", "depth": 40, "multiplier": 15, "method": "dim"}, False),
        ({"model_key": "qwen3b", "depth": 30, "multiplier": 15, "method": "dim"}, False),
    ],
)
def test_a_condition_matches_the_checks_that_measure_it(params: dict[str, Any], matches: bool) -> None:
    one = Asked(model="qwen7b", clause="W1", depth=30, multiplier=15.0, method="dim")

    assert one.matches("W1", params) is matches
    assert not one.matches("W2", params)
    assert Asked(model="qwen7b", clause="W3").matches("W3", {"model_key": "qwen7b", "precision": "int8"})
