"""Runs the shards: starts what there is room for, starts lost ones again elsewhere, and says how far it is."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from reports.budget.estimate import duration
from reports.launch.planning import last_error
from reports.launch.run_shard import count_cells, log_of
from reports.launch.shards import Shard
from reports.untrusted import plain

POLL, EVERY = 0.5, 30.0
"""Seconds between two looks at the shards, and between two lines about them."""
ENDED = (0, 1)
"""Exit statuses of pytest after which every check was reached: all hold, or one does not."""


class Attempt(Protocol):
    """A shard that was started. place: where it runs; "" while it waits for room there."""

    @property
    def place(self) -> str:
        """Where it runs."""

    def status(self) -> int | None:
        """None until it has ended; then pytest's exit status, or a negative number for a shard that was lost."""

    def reason(self) -> str:
        """Why it was lost."""

    def stop(self) -> None:
        """Interrupt it, and return when it has ended."""


class Pool(Protocol):
    """Starts shards."""

    def start(self, shard: Shard, folder: Path, arguments: list[str], lost_at: frozenset[str]) -> Attempt | None:
        """Start or resume a shard, elsewhere than at `lost_at` if possible; None while there is no room."""

    def close(self) -> None:
        """Let go of the machines."""


@dataclass
class Job:
    """A shard on its way. folder: its run directory. lost_at: the places where it was lost, one per time."""

    shard: Shard
    folder: Path
    arguments: list[str]
    lost_at: list[str] = field(default_factory=list)
    attempt: Attempt | None = None
    started: float = 0.0
    failure: str = ""

    def text(self) -> str:
        """`qwen7b 45/412 cells`, or that it waits."""
        if self.attempt is None or not self.attempt.place:
            return f"{self.shard.name} waits"
        return f"{self.shard.name} {count_cells(self.folder)}/{self.shard.cells} checks"


class Schedule:
    """All jobs of a launch. retries: how often a shard that was lost is started again."""

    def __init__(
        self, jobs: Sequence[Job], pool: Pool, retries: int, say: Callable[[str], None], poll: float = POLL
    ) -> None:
        self.waiting, self.running, self.jobs = deque(jobs), list[Job](), tuple(jobs)
        self.pool, self.retries, self.say, self.poll = pool, retries, say, poll
        self.spoken = time.monotonic()

    def run(self) -> None:
        """Until every shard has ended, or was lost too often. Stops all of them when it is interrupted."""
        try:
            while self.waiting or self.running:
                self._start()
                time.sleep(self.poll)
                for job in list(self.running):
                    self._look_at(job)
                if time.monotonic() - self.spoken >= EVERY:
                    self._speak("; ".join(job.text() for job in (*self.running, *self.waiting)))
        finally:
            self._stop()

    def _start(self) -> None:
        for job in list(self.waiting):
            job.attempt = self.pool.start(job.shard, job.folder, job.arguments, frozenset(job.lost_at))
            if job.attempt is not None:
                job.started = time.monotonic()
                self.waiting.remove(job)
                self.running.append(job)
                self._speak(
                    f"{job.shard.name}: {'resumed' if job.lost_at else 'started'}; its output: {log_of(job.folder)}"
                )

    def _look_at(self, job: Job) -> None:
        assert job.attempt is not None
        status = job.attempt.status()
        if status is None:
            return
        self.running.remove(job)
        took = f"{job.text()} after {duration(time.monotonic() - job.started)}"
        if status in ENDED:
            self._speak(f"{took}: ended")
        elif status < 0:
            self._lose(job, took)
        else:
            error = last_error(log_of(job.folder).read_text(encoding="utf-8", errors="replace"))
            job.failure = f"pytest ended with exit status {status}: {plain(error, 300) or f'see {log_of(job.folder)}'}"
            self._speak(f"{took}: {job.failure}")

    def _lose(self, job: Job, took: str) -> None:
        assert job.attempt is not None
        place, reason = job.attempt.place or "an unknown place", job.attempt.reason()
        job.lost_at.append(place)
        if len(job.lost_at) <= self.retries:
            self.waiting.append(job)
            self._speak(f"{took}: lost on {place} ({reason}); it is resumed, elsewhere if possible")
        else:
            job.failure = f"lost {len(job.lost_at)} times, the last time on {place} ({reason})"
            self._speak(f"{took}: {job.failure}")

    def _stop(self) -> None:
        for job in self.running:
            assert job.attempt is not None
            self._speak(f"{job.text()}: stopping")
            job.attempt.stop()
        self.pool.close()

    def _speak(self, line: str) -> None:
        self.spoken = time.monotonic()
        self.say(f"{time.strftime('%H:%M:%S')} {line}")
