"""Collects the records of a run as they arrive, writes each to the journal, then judges and stores all of them."""

import os
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from reports.budget.meter import fee_of, settle_budget
from reports.budget.outlook import Outlook, cost_line
from reports.following import without_places
from reports.page import MARKDOWN, PAGE, write_views
from reports.page.history import check_history
from reports.review.files import count_kept
from reports.run.artifact import write_run
from reports.run.layout import RECORDS
from reports.run.success import succeeded
from reports.terminal.screen import render, write_lines
from reports.tracking import track
from reports.untrusted import plain
from reports.verdicts import Verdict, judge, matches
from reports.verdicts.sweeps.points import is_sweep
from steering_core.activity import activity
from steering_core.errors import ArtifactProblem, SuiteError
from steering_core.places import typed
from steering_core.records.audit import audit
from steering_core.records.journal import (
    JOURNAL,
    PLAN,
    DamagedLine,
    Journal,
    JournalEntry,
    SessionStart,
    finished,
    in_order,
    read_journal,
)
from steering_core.records.plan_file import read_plan
from steering_core.records.record import Cell, Plan, Record, Run
from steering_core.records.shared import SharedParts
from steering_core.records.wire import records_in

MACHINE = ("repository", "commit", "dirty", "python", "torch", "transformers", "platform", "gpu", "gpus")
NAMED = 5
"""Damaged lines of a journal that are named; further ones are counted."""


class Ledger:
    """A pytest plugin object: one record per check, whichever worker ran it."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.folder = Path(config.getoption("run_dir"))
        self.journal = Journal(self.folder)
        self.records: dict[Cell, Record] = {}
        self.shared = SharedParts()
        self.begun = False
        self.text = ""
        self.process = os.getpid()
        self.damaged: list[DamagedLine] = []

    def begin(self, hold: bool) -> None:
        """Read what a resumed run keeps. `hold` locks the directory at once instead of with the first record."""
        if hold:
            self.journal.open()
        resumed = self.config.getoption("resume")
        # Before the journal, whose records then share its cells; a damaged plan is refused before anything is collected.
        plan = self.shared.plan(read_plan(self.folder)) if resumed else None
        entries = read_journal(self.folder, shared=self.shared) if resumed else []
        # The journal grows while workers come and go; all of them must skip the same cells.
        self.config.option.journal_lines = len(entries)
        self.records = finished(entries)
        self.damaged = [entry for entry in entries if isinstance(entry, DamagedLine)]
        if plan:
            self._leave_out_foreign(plan, entries)
            if not self.config.getoption("follow_round"):  # which adds to the plan once its checks are collected
                self._plan = plan
        settle_budget(self.config, entries)

    def _leave_out_foreign(self, plan: Plan, entries: Sequence[JournalEntry]) -> None:
        """Records of models that the plan does not name count as damaged lines."""
        foreign = {cell for cell in self.records if cell.model not in plan.models}
        numbers = {entry.cell: number for number, entry in enumerate(entries, 1) if isinstance(entry, Record)}
        self.damaged += [DamagedLine(numbers[cell], cell.id) for cell in self.records if cell in foreign]
        self.records = {cell: record for cell, record in self.records.items() if cell not in foreign}

    @property
    def plan(self) -> Plan | None:
        """The plan of the run; None until checks were collected."""
        return self._plan if (self.folder / PLAN).exists() else None

    @cached_property
    def _plan(self) -> Plan:
        if not (self.folder / PLAN).exists():
            hint = "run again in a directory that nothing else removes"
            raise ArtifactProblem("run-gone", f"{self.folder / PLAN} disappeared during the run", hint)
        return self.shared.plan(read_plan(self.folder))

    @cached_property
    def outlook(self) -> Outlook:
        """What is left to do, and what it costs."""
        return Outlook(self.config, self._plan, self.records)

    def pytest_report_header(self) -> list[str]:
        """Called for the lines above the first test."""
        line = f"resuming {self.folder}: {len(self.records)} finished checks are kept"
        return [line] if self.config.getoption("resume") else []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called per phase of each test, on the controller for workers too: keep and journal its record."""
        self._end_copy()
        try:
            for record in records_in(report):
                self._keep(record)
        except SuiteError as problem:
            pytest.exit(str(problem), returncode=pytest.ExitCode.INTERNAL_ERROR)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Called at the end: judge, write, and compare with --expect-outcome. A run that began ends with a verdict, or
        is an error."""
        self._end_copy()
        if session.exitstatus == pytest.ExitCode.USAGE_ERROR:
            return
        if self.config.getoption("collectonly") or not (self.plan or self.records):
            self._refuse_expectation(session)
            return
        try:
            if self.plan is None:
                vars(self).pop("_plan", None)
            with activity("judging the run and writing its report"):
                self._conclude(session, self._plan)
        except SuiteError as problem:
            self.text = f"no verdict: {problem}"
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Called last: print the verdict, and what of the journal was measured again."""
        if self.text:
            terminalreporter.write_line("")
            terminalreporter.write_line("\n".join([self.text, *self._damage()]))

    def pytest_unconfigure(self) -> None:
        """Called when the process is about to end: release the run directory."""
        self.journal.close()

    def _damage(self) -> list[str]:
        """Which lines of the journal do not count, the first few by name."""
        names = [f"line {line.number} ({plain(line.cell, 100) or 'unreadable'})" for line in self.damaged]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        text = f"{JOURNAL} was changed or damaged; measured again: {', '.join(names[:NAMED])}{more}"
        return [text] if names else []

    def _end_copy(self) -> None:
        """A tool that forks leaves a copy of this process: only one of them may write and judge."""
        if os.getpid() != self.process:
            os._exit(1)

    def _refuse_expectation(self, session: pytest.Session) -> None:
        """An expectation that cannot be compared is an error, not one that is met."""
        if expected := self.config.getoption("expect_outcome"):
            self.text = f"expected outcome {expected}: no check was run, so there is no verdict"
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def _keep(self, record: Record) -> None:
        record = self.shared.record(record)
        self.records[record.cell] = record
        meter = self.outlook.meter
        self.outlook.estimate.observe(record)
        meter.fees += fee_of(record)
        if not self.begun:
            started = datetime.now(UTC) - timedelta(seconds=meter.elapsed)
            self.journal.append(SessionStart(started=started, usd_per_hour=meter.usd_per_hour).model_dump_json())
            self.begun = True
        self.journal.append(record.model_dump_json())

    def _conclude(self, session: pytest.Session, plan: Plan) -> None:
        records = in_order(self.records, plan.planned)
        run = Run(
            plan=plan, records=records, environment={**_machine(records), **self.outlook.costs(), **self._command(plan)}
        )
        run = run.model_copy(update={"records": (*run.records, *audit(run))})
        try:
            verdict = judge(run, reviews=count_kept(self.folder, run))
        except Exception:
            write_run(self.folder, run, None)
            raise
        write_run(self.folder, run, verdict)
        if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.OK if succeeded(plan, records) else pytest.ExitCode.TESTS_FAILED
        write_views(self.folder, run, verdict, check_history(self.config.getoption("history")))
        self.text = self._show(run, verdict) + self._how_to_continue(session)
        expected = self.config.getoption("expect_outcome")
        if expected and not matches(verdict, expected):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
            self.text += f"\nexpected outcome {expected}, got {verdict.conclusion}"
        if project := self.config.getoption("wandb"):
            self.text += track(project, self.folder, run, verdict)

    def _how_to_continue(self, session: pytest.Session) -> str:
        """The command that runs the rest, when the session was stopped before the end of its plan."""
        interrupted = session.exitstatus == pytest.ExitCode.INTERRUPTED or session.shouldfail or session.shouldstop
        stopped = interrupted or self.config.getoption("budget_usd") is not None
        if not stopped or not (left := len(self.outlook.cells_left())):
            return ""
        place = Path(os.path.relpath(self.folder)) if self.folder.is_relative_to(Path.cwd()) else self.folder
        return f"Continue  pytest parity --resume {shlex.quote(str(place))}   # {left} of {len(self._plan.planned)} checks left"

    def _command(self, plan: Plan) -> dict[str, str]:
        """The command of a run of sweeps, without its places: what `--follow` later must repeat."""
        if not any(map(is_sweep, plan.planned)):
            return {}
        given = without_places(typed(self.config.invocation_params.args))
        return {"command": shlex.join(given)}

    def _show(self, run: Run, verdict: Verdict) -> str:
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        color = bool(reporter and reporter._tw.hasmarkup)
        width = reporter._tw.fullwidth if reporter else 100
        text = render(
            run,
            verdict,
            width=width,
            color=color,
            files=f"{self.folder}: {PAGE}, {MARKDOWN}, {RECORDS}",
            place=str(self.folder),
        )
        return text + (write_lines([("Cost", line)], width, color) if (line := cost_line(run)) else "")


def _machine(records: tuple[Record, ...]) -> dict[str, Any]:
    first = next((record.provenance for record in records if record.provenance), {})
    return {key: first[key] for key in MACHINE if key in first}
