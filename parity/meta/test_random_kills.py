"""Runs with workers and tools' processes that are killed at random: nothing is lost, repeated or changed, or left running.

The seeds are fixed. `PARITY_KILLS=80 pytest parity/meta/test_random_kills.py`, part of `make campaign`, kills twenty times.
"""

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from parity.meta.forked_runs import TIMEOUT, ForkedRuns, wait_for
from parity.meta.shares import in_part
from parity.meta.test_resume import KILLS, count_cells, lines, recorded, timeless

MARK = "PARITY_KILLED_RUNS"
"""An environment variable, by which every process of a run is found, whoever started it."""
CHECK = ("parity", "-m", "tiny_qwen2 or tiny_llama", "-q", "-k", "preflight_site", "--tools", "hooks,nnsight")
DELAY = 2.0
"""Seconds between a moment of the run and the kill, at most."""
LIBRARIES = ("torchinductor", "pytest-of-")
"""How the names of folders begin that torch and pytest keep for the runs of a user."""
LAST = 4
"""Cells that are left for the end, so that no run ends before it is killed."""


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Where the runs put temporary files."""
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"


@pytest.fixture
def runs(temporary: Path) -> Iterator[ForkedRuns]:
    """As the other meta tests have, but every process of theirs is marked, and their temporary files are by themselves."""
    with ForkedRuns(**{MARK: str(os.getpid()), "TMPDIR": str(temporary)}) as forked:
        yield forked


def still_running(runs: ForkedRuns) -> list[str]:
    """The commands of what is left of the runs."""
    kept = {runs.process.pid, runs.server.process.pid}
    commands = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={os.getpid()}".encode() in (place / "environ").read_bytes().split(b"\0"):
                commands += [(place / "cmdline").read_text()] if int(place.name) not in kept else []
        except OSError:
            continue  # of another user, or gone
    return commands


def kill_at_random(runs: ForkedRuns, run: Path, cells: int, chance: random.Random) -> None:
    """Start or resume a run, and kill it, alone or with its workers, at a random moment from its start on; the first time
    as soon as it has a record, so that on any machine one kill hits a run amid its cells."""
    length, delay = min(recorded(run) + chance.randint(0, 3), cells - LAST), chance.random() * DELAY
    if not run.exists():
        length, delay = max(length, 1), 0.0
    option = "--resume" if (run / "plan.json").exists() else "--run-dir"
    started = runs.start(*CHECK, "-n", "2", option, str(run), log=run.parent / "log")
    assert wait_for(lambda: recorded(run) >= length, started), (run.parent / "log").read_text()
    time.sleep(delay)
    if chance.random() < 0.5:
        assert runs.kill(started) == -signal.SIGKILL
    else:
        os.kill(started, signal.SIGKILL)
        assert runs.wait() == -signal.SIGKILL


@in_part(1, 6)
def test_runs_with_workers_that_are_killed_lose_repeat_and_leave_nothing(
    runs: ForkedRuns, tmp_path: Path, temporary: Path
) -> None:
    log, run, whole, chance = tmp_path / "log", tmp_path / "run", tmp_path / "whole", random.Random(19)
    assert runs.run(*CHECK, "--run-dir", str(whole), log=log) == 0, log.read_text()
    amid = 0
    for _ in range(KILLS // 4):
        kill_at_random(runs, run, recorded(whole), chance)
        deadline = time.monotonic() + TIMEOUT
        while (left := still_running(runs)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert left == []
        amid += 0 < recorded(run) < recorded(whole)
    assert runs.run(*CHECK, "-n", "2", "--resume", str(run), log=log) == 0, log.read_text()

    assert timeless(run) == timeless(whole)
    assert set(count_cells(lines(run / "journal.jsonl")).values()) == {1}, "a finished cell was run again"
    assert [path.name for path in temporary.iterdir() if not path.name.startswith(LIBRARIES)] == []
    assert {path.name for path in run.iterdir()} == {path.name for path in whole.iterdir()}
    assert amid, "no kill hit a run amid its cells"
