"""How far a run is: one line below pytest's own on a terminal, lines that stay elsewhere; never silent for long, from the
trial of tools and downloads before the first check to the report after the last."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from shutil import get_terminal_size
from textwrap import shorten, wrap
from typing import Any

import pytest

from reports.budget.estimate import duration
from reports.ledger import Ledger
from reports.untrusted import plain
from reports.worker_activity import WorkerActivity
from steering_core.activity import under_way
from steering_core.records.record import Plan
from steering_core.records.wire import has_record

Write = Callable[[str], object]
EVERY = 60.0
"""Seconds between two lines of progress, where results are printed meanwhile."""
SILENT = 9.0
"""Seconds after which a line says what is still going on."""
SHOWN = 2
LONGEST = 100


class Progress:
    """A pytest plugin object of the reporting process, which sees the finished cells of every worker."""

    def __init__(self, ledger: Ledger, workers: WorkerActivity, clock: Callable[[], float] = time.monotonic) -> None:
        self.ledger, self.workers, self.clock = ledger, workers, clock
        self.running: dict[str, None] = {}
        self.session: pytest.Session | None = None
        self.tests = self.others = 0
        self.last = clock()
        self.announced = self.finished = False
        self.shown = False
        self.heard = clock()
        self.lock, self.ended = threading.RLock(), threading.Event()
        self.thread: threading.Thread | None = None

    @property
    def reporter(self) -> Any:
        """pytest's own reporter; None without a terminal plugin."""
        return self.ledger.config.pluginmanager.get_plugin("terminalreporter")

    @property
    def live(self) -> bool:
        """Whether a line can be overwritten: on a terminal, unless the checks print there too."""
        return (
            self.reporter is not None and bool(self.reporter.isatty) and self.ledger.config.getoption("capture") != "no"
        )

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Called before the collection."""
        self.session = session

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logstart(self, nodeid: str) -> Iterator[Any]:
        """Called before each test; with workers, on the controller."""
        with self.lock:
            self._clear()
            self.running[nodeid] = None
            self._write_lines()
            result = yield
            self._draw()
            return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Iterator[Any]:
        """Called after each phase of a test; with workers, on the controller."""
        with self.lock:
            self._clear()
            self._count(report)
            result = yield
            self._draw()
            return result

    def _count(self, report: pytest.TestReport) -> None:
        """Count a test that ended; one that left no record is a test of the suite itself, and no check."""
        if report.when == "teardown":
            self.running.pop(report.nodeid, None)
            self.tests += 1
            self.others += not has_record(report)

    def begin(self) -> None:
        """From now on a long silence is broken."""
        with suppress(OSError, ValueError):  # a standard output without a file: nobody is waiting there
            # While a check runs, pytest captures the standard output; not this copy of it.
            copy = os.dup(sys.stdout.fileno())
            self.thread = threading.Thread(target=self._break_silence, args=(copy,), daemon=True)
            self.thread.start()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Called after the last check: remove the line."""
        with self.lock:
            self._clear()
            self.running.clear()
            self.finished = True
            self.heard = self.clock()

    def pytest_unconfigure(self) -> None:
        """Called when the process is about to end."""
        self.ended.set()
        if self.thread:
            self.thread.join()

    def text(self) -> str:
        """`12/340 checks done, about 14 min left; now test_rates[...]`; with other tests in the session,
        `95/2500 tests done (12/340 checks, about 14 min left for these); now test_rates[...]`."""
        plan, records = self.ledger.plan, self.ledger.records
        assert plan is not None
        done, planned = sum(cell in records for cell in plan.planned), len(plan.planned)
        now = f"; now {self._now(plan)}" if self.running else ""
        left = f"about {duration(self.ledger.outlook.seconds_left())} left"
        if not self.others or self.session is None:
            return f"{done}/{planned} checks done, {left}{now}"
        checks = f"{done}/{planned} checks{f', {left} for these' if done < planned else ''}"
        return f"{self.tests}/{self.session.testscollected} tests done ({checks}){now}"

    def _now(self, plan: Plan) -> str:
        """What this process or its workers are busy with; else a model that no check has finished on may be loading."""
        names = [plain(nodeid.rpartition("::")[2], LONGEST) for nodeid in self.running]
        ready = {record.cell.model for record in self.ledger.records.values()}
        loading = [model for model in plan.models if model not in ready and any(f"[{model}" in name for name in names)]
        checks = ", ".join(names[:SHOWN])
        if busy := self._busy():
            return f"{busy}; {checks}" if str(self.workers) else f"{busy} for {checks}"
        return f"loading {', '.join(loading)} or at the first checks: {checks}" if loading else checks

    def _busy(self) -> str:
        """What takes long, in this process or in its workers; "" for nothing that was told."""
        return plain(under_way(), LONGEST) or plain(str(self.workers), 2 * LONGEST)

    def still(self) -> str | None:
        """The line that breaks a silence, when one is due."""
        silent = self.clock() - self.heard
        if silent < SILENT:
            return None
        if self.running and self.ledger.plan is None:
            return None  # tests of the suite itself
        if not self.running or self.reporter is None:
            return f"{busy}, {duration(silent)} so far" if (busy := self._busy()) else None
        return f"{self.text()}, {duration(silent)} so far"

    def _break_silence(self, copy: int) -> None:
        """In a thread of its own: a check that takes long says so every SILENT seconds. copy: a file descriptor."""
        said = 0.0
        while not self.ended.wait(1.0):
            with self.lock, suppress(RuntimeError, OSError):  # records arrive meanwhile; nobody reads any more
                if self.clock() - max(said, self.heard) >= SILENT and (line := self.still()):
                    said = self.clock()
                    self.say(line, lambda text: os.write(copy, text.encode("utf-8", "backslashreplace")))
        os.close(copy)

    def say(self, line: str, write: Write) -> None:
        """Print a line while a check runs; what the check prints itself is captured."""
        if self.live and self.running:
            self._write_below(self._one_line(line), write)
            self.shown = True
            return
        begun = ""
        if self.reporter:
            begun = "\n" if self.finished or self._begun else ""
            self.finished = False
            self._forget_line()  # the next result begins a line of its own
        write(begun + "".join(f"{part}\n" for part in self._wrapped(line)))

    def _write_lines(self) -> None:
        """Lines that stay: the estimate before the first check and, without a terminal, one line a minute."""
        if self.reporter is None or self.ledger.plan is None:
            return
        lines = [] if self.announced else self.ledger.outlook.announcement()
        self.announced = True
        if not self.live and self.clock() - self.last >= EVERY:
            self.last = self.clock()
            lines.append(self.text())
        if lines:
            if self._begun:
                self.reporter._tw.line()
            self._forget_line()
        for line in lines:
            for part in self._wrapped(line):
                self.reporter.write_line(part)

    @property
    def _begun(self) -> bool:
        """Whether pytest has written to the current line: a file's name, or results."""
        return bool(self.reporter._tw.width_of_current_line)

    def _forget_line(self) -> None:
        """What pytest writes next begins a line of its own, also where it has not seen that the last one was ended."""
        self.reporter.currentfspath, self.reporter._tw._current_line = None, ""

    def _wrapped(self, line: str) -> list[str]:
        """The line in parts that fit the terminal, broken between words."""
        return wrap(line, self._width, break_long_words=False, break_on_hyphens=False)

    def _one_line(self, line: str) -> str:
        """As much of the line as fits the terminal, cut between words; without "now" if no name fits after it."""
        kept = shorten(line, self._width, placeholder=" ...", break_long_words=False, break_on_hyphens=False)
        return kept.removesuffix("; now ...")

    @property
    def _width(self) -> int:
        """Columns of a line; the last one stays free."""
        return int(self.reporter._tw.fullwidth if self.reporter else get_terminal_size().columns) - 1

    def _draw(self) -> None:
        self.heard = self.clock()
        if self.reporter is None or self.ledger.plan is None or not self.live:
            return
        self._write_below(self._one_line(self.text()))
        self.shown = True

    def _clear(self) -> None:
        if self.shown:
            self._write_below("")
            self.shown = False

    def _write_below(self, text: str, write: Write | None = None) -> None:
        """Write on the line below and come back, by relative moves because the screen may scroll."""
        column = self.reporter._tw.width_of_current_line + 1
        (write or sys.stdout.write)(f"\n{text}\x1b[K\x1b[1A\x1b[{column}G")
        sys.stdout.flush()
