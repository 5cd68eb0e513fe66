"""Launches of the suite's own tiny runs, for tests that compare them with one run, and kill what they started."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reports.run.artifact import read_run
from steering_core.places import ROOT
from steering_core.records.record import Record, Run

SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONPATH": str(ROOT),
}
TIMES = {"started": None, "wall_seconds": 0.0, "peak_memory_bytes": 0}
"""What differs between two equal runs."""
TIMEOUT = 300.0


class Launched:
    """A launch in the background. folder: its run directory. settings: further environment variables."""

    def __init__(self, folder: Path, *words: str, **settings: str) -> None:
        self.folder, self.log = folder, folder.with_suffix(".log")
        command = [sys.executable, "-m", "reports.launch", *words]
        with self.log.open("ab") as log:
            streams: Any = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            self.process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **SETTINGS, **settings}, **streams)

    @property
    def printed(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(encoding="utf-8")

    def wait(self) -> int:
        """Its exit status."""
        return self.process.wait(TIMEOUT)

    def run_of(self, shard: str) -> Path:
        """The run directory of a shard."""
        return self.folder / "shards" / shard

    def wait_for_records(self, shard: str, count: int) -> int:
        """Wait until a shard has so many records; the id of its pytest process."""
        self.wait_until(lambda: recorded(self.run_of(shard)) >= count)
        return pytest_in(self.run_of(shard))

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds; AssertionError with the output when the launch ends before."""
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            assert self.process.poll() is None, self.printed
            assert time.monotonic() < deadline, self.printed
            time.sleep(0.02)

    def kill(self) -> None:
        """For the end of a test: nothing of it is left."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)


def recorded(folder: Path) -> int:
    """How many records the journal of a run holds."""
    journal = folder / "journal.jsonl"
    return journal.read_bytes().count(b'\n{"cell":') if journal.exists() else 0


def journal_of(folder: Path) -> bytes:
    """The complete lines of a run's journal; a resumed run only adds to them."""
    content = (folder / "journal.jsonl").read_bytes()
    return content[: content.rfind(b"\n") + 1]


def pytest_in(folder: Path) -> int:
    """The process that runs pytest with this run directory; 0 if there is none."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if "pytest" in words and words[-2:-1] == [str(folder)]:
            return int(place.name)
    return 0


def parent_of(process: int) -> int:
    """The process that started another one."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def timeless(run: Run) -> list[Record]:
    """The records of a run without what differs between two equal runs."""
    return [record.model_copy(update=TIMES) for record in run.records]


def assert_same_run(joined: Path, whole: Path) -> None:
    """The joined run has the plan, the records and the verdict of one run of everything."""
    ours, theirs = read_run(joined), read_run(whole)
    assert ours.plan == theirs.plan
    assert timeless(ours) == timeless(theirs)
    assert (joined / "verdict.json").read_bytes() == (whole / "verdict.json").read_bytes()
