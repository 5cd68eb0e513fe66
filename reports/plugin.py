"""pytest hooks of the judging side: options, run directory, and the ledger that collects and judges records."""

from collections.abc import Generator
from typing import Any

import pytest

from reports.budget.meter import put_brake
from reports.ledger import Ledger
from reports.options import add_options
from reports.progress import Progress
from reports.run.directory import choose_run_dir
from reports.terminal.tracebacks import make_safe
from reports.tracking import require_wandb
from reports.verdicts import conclusion_named
from reports.workers import is_worker, listen, tell
from steering_core.errors import SuiteError


def pytest_addoption(parser: pytest.Parser) -> None:
    """Called once, before the command line is read."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Called once the options are known: chooses the run directory."""
    if is_worker(config):
        listen(config)
        return
    try:
        start_ledger(config)
    except SuiteError as problem:
        raise pytest.UsageError(str(problem)) from None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Called by xdist on the controller, before a worker starts: tells it what only the controller knows."""
    tell(node)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Called in each process that runs checks, before the first: holds it to the budget."""
    put_brake(session.config)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Called after each phase, outermost: before anything shows or stores the report of a failure."""
    report = yield
    make_safe(report)
    return report


def start_ledger(config: pytest.Config) -> None:
    """Check the options of this side, then begin to collect; SuiteError says what cannot be."""
    if expected := config.getoption("expect_outcome"):
        conclusion_named(expected)
    require_wandb(config.getoption("wandb"))
    # A directory named after this moment is nobody else's; without workers it is not made before there is a plan.
    shared = config.getoption("run_dir") or config.getoption("resume") or config.getoption("numprocesses", None)
    choose_run_dir(config)
    ledger = Ledger(config)
    config.pluginmanager.register(ledger, "parity-ledger")
    config.pluginmanager.register(Progress(ledger), "parity-progress")
    ledger.begin(hold=bool(shared) and not config.getoption("collectonly"))
