"""pytest hooks of the reports: options, run directory, and the ledger that collects and judges records."""

import argparse
from collections.abc import Generator
from typing import Any

import pytest

from reports.budget.meter import guard_budget
from reports.exit_guard import guard_exit
from reports.following import follow
from reports.junit import SmallJunit
from reports.ledger import Ledger
from reports.page.history import check_history
from reports.progress import Progress
from reports.run.directory import choose_run_dir
from reports.standard_output import StandardOutput, StopWhenLost, flush_output, report_loss
from reports.terminal.tracebacks import make_safe, shorten
from reports.tracking import require_wandb
from reports.untrusted import harmless
from reports.verdicts import conclusion_named
from reports.worker_activity import tell_controller, watch_workers
from steering_core.errors import SuiteError
from steering_core.records.wire import records_in

PASSED = ("run_dir", "resume", "journal_lines", "request", "meter_started", "spent_before", "activity_folder")
"""Options that the controller completed or added. Workers read the same command line, and know nothing else of it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Called once, before the command line is read; adds every option that does not change what is measured."""
    add = parser.getgroup("verdict", "steering parity: what is reported").addoption
    resume = "continue the run in DIR with its original options; finished checks are kept and judged too"
    budget = "start no check that would exceed this cost; the run is then INCOMPLETE, and --resume continues it"
    price = "price of one GPU for an hour, in USD (default: the highest of the models' rows); without --budget-usd, only reported"
    tracking = (
        "also log the rates to Weights & Biases (those of sweeps to the V3 plan's projects); WANDB_MODE=offline works"
    )
    add("--run-dir", metavar="DIR", help="where the run is written (default: reports/runs/<UTC time>)")
    add("--resume", metavar="DIR", help=resume)
    add("--expect-outcome", metavar="X", help="fail unless the verdict is X: 1 to 4, or a conclusion such as INVALID")
    add("--budget-usd", type=float, metavar="X", help=budget)
    add("--gpu-hour-usd", type=float, metavar="Y", help=price)
    add(
        "--follow",
        action="store_true",
        help="afterwards run, in the same run, the sweep conditions that the plan's decisions call for",
    )
    add("--follow-round", action="store_true", help=argparse.SUPPRESS)
    add("--wandb", metavar="PROJECT", help=tracking)
    add("--history", metavar="DIR", help="show on the page the trend over the runs below DIR that have the same plan")
    add("--junit-records", action="store_true", help="with --junitxml: include the whole record of each check")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: Any) -> None:
    """Called once the options are known: starts the ledger; in an xdist worker, takes the controller's options."""
    if hasattr(config, "workerinput"):
        vars(config.option).update(config.workerinput["parity"])
        tell_controller(config.option.activity_folder, config.workerinput["workerid"])
        return
    try:
        start_ledger(config)
    except (SuiteError, OSError) as problem:
        raise pytest.UsageError(str(problem)) from None


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, Any, Any]:
    """Called around the whole session: makes the message of a refusal safe to print; once the session has ended, runs
    what decisions ask for."""
    try:
        status = yield
        flush_output(config)
    except pytest.UsageError as error:
        raise pytest.UsageError(*(harmless(str(argument)) for argument in error.args)) from None
    except OSError as error:
        if error.filename is not None:
            raise
        return report_loss(error, config.getoption("run_dir"))
    return follow(config, status)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Called before anything is printed: whatever pytest, its plugins and the checks print passes through here."""
    if reporter := session.config.pluginmanager.get_plugin("terminalreporter"):
        reporter._tw._file = StandardOutput(reporter._tw._file, reporter._tw.hasmarkup)
        session.config.pluginmanager.register(StopWhenLost(reporter._tw._file), "parity-standard-output")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Called by xdist on the controller, before a worker starts: passes it the controller's options."""
    node.workerinput["parity"] = {name: getattr(node.config.option, name, None) for name in PASSED}


def pytest_collection_finish(session: pytest.Session) -> None:
    """Called in each process that runs checks, before the first check: guards the budget there."""
    guard_budget(session.config)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Called after each phase, outermost: before anything shows or stores the report of a failure."""
    report = yield
    record, option = next(iter(records_in(report)), None), item.config.getoption
    if report.failed and record and call.excinfo and not option("fulltrace") and option("tbstyle") == "auto":
        shorten(report, record, call.excinfo.value)
    make_safe(report)
    return report


def start_ledger(config: pytest.Config) -> None:
    """Check the options of the reports, then start collecting; SuiteError for an option that cannot be satisfied."""
    if expected := config.getoption("expect_outcome"):
        conclusion_named(expected)
    require_wandb(config.getoption("wandb"))
    check_history(config.getoption("history"))
    # A directory named after the current time belongs to no other process: without workers, the plan creates it.
    shared = config.getoption("run_dir") or config.getoption("resume") or config.getoption("numprocesses", None)
    if config.getoption("xmlpath", None) and not config.getoption("junit_records"):
        config.pluginmanager.register(SmallJunit(), "parity-junit")
    choose_run_dir(config)
    ledger = Ledger(config)
    config.pluginmanager.register(ledger, "parity-ledger")
    workers = watch_workers(config)
    config.pluginmanager.register(workers, "parity-worker-activity")
    progress = Progress(ledger, workers)
    config.pluginmanager.register(progress, "parity-progress")
    progress.begin()
    ledger.begin(hold=bool(shared) and not config.getoption("collectonly"))
    guard_exit(config)
