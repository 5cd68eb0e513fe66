"""Shards on this machine: their joined run equals one run of everything, whatever is killed or interrupted."""

import os
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from parity.meta.forked_runs import ForkedRuns
from parity.meta.launching import Launched, assert_same_run, journal_of, pytest_in, recorded
from parity.meta.shares import in_part

CHECKS = ("parity", "-k", "preflight", "--programs", "2", "--tools", "hooks,nnsight", "-q")
SITES = ("parity", "-k", "preflight_site", "--tools", "hooks,nnsight", "-q")
ONE = ("-m", "tiny_qwen2")
BOTH = ("-m", "tiny_qwen2 or tiny_gemma2")
launches: list[Launched] = []


@pytest.fixture(autouse=True)
def _leaves_nothing_behind() -> Iterator[None]:
    yield
    while launches:
        launches.pop().kill()


def start(runs: ForkedRuns, folder: Path, *words: str) -> Launched:
    launches.append(Launched(folder, *words, **runs.shared))
    return launches[-1]


@in_part(0, 4)
def test_shards_of_two_models_join_to_one_run_though_one_is_killed(runs: ForkedRuns, tmp_path: Path) -> None:
    launch = start(runs, tmp_path / "run", "--jobs", "2", "--run-dir", str(tmp_path / "run"), "--", *CHECKS, *BOTH)
    os.kill(launch.wait_for_records("tiny_gemma2", 5), signal.SIGKILL)
    status = launch.wait()
    assert runs.run(*CHECKS, *BOTH, "--run-dir", str(tmp_path / "whole"), log=tmp_path / "log") == 0

    assert status == 0, launch.printed
    assert "lost on this machine (ended by signal 9)" in launch.printed
    assert "PREFLIGHT PASSED" in launch.printed
    assert_same_run(tmp_path / "run" / "merged", tmp_path / "whole")


@in_part(1, 4)
def test_shards_of_two_tools_join_to_one_run(runs: ForkedRuns, tmp_path: Path) -> None:
    launch = start(runs, tmp_path / "run", "--jobs", "2", "--run-dir", str(tmp_path / "run"), "--", *SITES, *ONE)
    status = launch.wait()
    assert runs.run(*SITES, *ONE, "--run-dir", str(tmp_path / "whole"), log=tmp_path / "log") == 0

    assert status == 0, launch.printed
    assert {folder.name for folder in (tmp_path / "run" / "shards").iterdir() if folder.is_dir()} == {
        "tiny_qwen2-hooks",
        "tiny_qwen2-nnsight",
    }
    assert_same_run(tmp_path / "run" / "merged", tmp_path / "whole")


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, marks=in_part(2, 4)), pytest.param(signal.SIGTERM, marks=in_part(3, 4))]
)
def test_an_interrupted_launch_stops_its_shards_and_says_how_to_continue(
    number: int, runs: ForkedRuns, tmp_path: Path
) -> None:
    launch = start(
        runs, tmp_path / "run", "--run-dir", str(tmp_path / "run"), "--", *SITES, *ONE, "--expect-outcome", "4"
    )
    launch.wait_for_records("tiny_qwen2", 2)
    launch.process.send_signal(number)
    status, last = launch.wait(), launch.printed.splitlines()[-1]
    shard = launch.run_of("tiny_qwen2")
    kept = journal_of(shard)

    assert status == 130
    assert pytest_in(shard) == 0
    assert last == f"interrupted; continue with: python -m reports.launch --resume {tmp_path / 'run'}"
    again = start(runs, tmp_path / "run", *shlex.split(last.partition("reports.launch ")[2]))
    assert again.wait() == 1, again.printed
    assert again.printed.endswith("expected outcome 4, got SELECTED_CHECKS_PASSED\n")
    assert journal_of(shard).startswith(kept), "finished cells are kept"
    assert recorded(shard) == 16, "and none is run again"
