"""pytest hooks of the judging side: options, run directory, and the ledger that collects and judges records."""

import pytest

from reports.ledger import Ledger
from reports.rundir import choose_run_dir, is_worker
from steering_core.errors import SuiteError
from steering_core.verdicts import conclusion_named


def pytest_addoption(parser: pytest.Parser) -> None:
    """Called once, before the command line is read."""
    group = parser.getgroup("verdict", "steering parity: what comes out")
    group.addoption("--run-dir", metavar="DIR", help="where the run is written (default: reports/runs/<UTC time>)")
    group.addoption(
        "--expect-outcome", metavar="X", help="fail unless the verdict is X: 1 to 4, or a conclusion such as INVALID"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Called once the options are known: chooses the run directory and lets xdist group the work by model."""
    if is_worker(config):
        return
    if getattr(config.option, "numprocesses", None):
        config.option.dist = "loadgroup"
    try:
        if expected := config.getoption("expect_outcome"):
            conclusion_named(expected)
        choose_run_dir(config)
        config.pluginmanager.register(Ledger(config), "parity-ledger")
    except SuiteError as problem:
        raise pytest.UsageError(str(problem)) from None
