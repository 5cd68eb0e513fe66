"""Collects the records of a run as they arrive, then judges and writes them."""

from pathlib import Path
from typing import Any

import pytest

from reports.artifact import write_run
from reports.terminal import render
from steering_core.errors import SuiteError
from steering_core.record import Plan, Record, Run
from steering_core.verdicts import Verdict, judge, matches

PROPERTY = "parity_record"


class Ledger:
    """A pytest plugin object: one record per check, whichever worker made it."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.folder = Path(config.getoption("run_dir"))
        self.records: list[Record] = []
        self.text = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called per phase of each test, on the controller for workers too."""
        if report.when != "teardown":
            self.records += [
                Record.model_validate_json(value) for name, value in report.user_properties if name == PROPERTY
            ]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Called at the end: judge, write, and compare with --expect-outcome."""
        plan = self.folder / "plan.json"
        if not plan.exists() or self.config.getoption("collectonly"):
            return
        try:
            self._conclude(session, Plan.model_validate_json(plan.read_text(encoding="utf-8")))
        except SuiteError as problem:
            self.text = f"no verdict: {problem}"
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Called last: print the verdict."""
        if self.text:
            terminalreporter.write_line("")
            terminalreporter.write_line(self.text)

    def _conclude(self, session: pytest.Session, plan: Plan) -> None:
        run = Run(plan=plan, records=tuple(self.records), environment=self._environment())
        verdict = judge(run)
        write_run(self.folder, run, verdict)
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        colour = bool(reporter and reporter._tw.hasmarkup)
        width = reporter._tw.fullwidth if reporter else 100
        self.text = render(run, verdict, width=width, colour=colour) + self._expectation(session, verdict)

    def _expectation(self, session: pytest.Session, verdict: Verdict) -> str:
        expected = self.config.getoption("expect_outcome")
        if not expected or matches(verdict, expected):
            return ""
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        return f"\nexpected outcome {expected}, got {verdict.conclusion}"

    def _environment(self) -> dict[str, Any]:
        keys = ("commit", "dirty", "python", "torch", "transformers", "platform", "gpu", "gpus")
        first = next((record.provenance for record in self.records if record.provenance), {})
        return {key: first[key] for key in keys if key in first}
