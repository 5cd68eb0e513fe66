"""Real runs for the meta tests, and the fault matrix: rows are collected from all workers and printed at the end."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.faults import FAULTS
from parity.meta.fault_matrix import LEGEND, as_markdown, as_text, from_markdown
from parity.meta.forked_runs import ForkedRuns
from parity.meta.shares import choose_part, leave_out, part_in_words
from steering_core.places import ROOT

LOG_LOADS = """
import os
from pathlib import Path
from parity.plugin.model_cache import ModelCache
load = ModelCache._open
def load_and_log(self, key):
    with open({file!r}, "a") as log:
        log.write(os.environ.get("PYTEST_XDIST_WORKER", "alone") + " " + key + "\\n")
    return load(self, key)
ModelCache._open = load_and_log
"""
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
"""For torch's threads, where a fault asks for more of them than there are cores: those that wait must not keep the others
from running. Read when torch is first imported."""
os.environ.setdefault("PARITY_PROGRAMS", "4")
"""Whole runs are repeated here for other reasons than what random programs find; the corpus is run all the same."""
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell starts commands in the background so
    signal.signal(signal.SIGINT, signal.default_int_handler)
EVERY_CLAUSE = os.environ.get("PARITY_FAULTS") == "all"
"""Whether every fault that runs is tried on every clause, and its row of the matrix written; else only one in eight is tried."""
choose_part()
ROWS: dict[str, dict[str, str]] = {}
PAGE = ROOT / "reports" / "fault_matrix.md"


def pytest_configure(config: pytest.Config) -> None:
    """Called before collection: the mark of cases that not every session tries."""
    config.addinivalue_line(
        "markers", "part(number, shares): of so many shares of a long matrix, the one that a case belongs to"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Called after collection: leaves out the cases that are tried on other days."""
    leave_out(config, items)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Called after each phase of each test; on the controller, also for the workers' tests."""
    if report.when == "call":
        ROWS.update({row["fault"]: row["signs"] for name, row in report.user_properties if name == "fault_row"})


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Called last, on the controller: say which part was tried, print the matrix and, if every clause was tried, write the
    rows of these faults to its page."""
    terminalreporter.write_line(part_in_words())
    if not ROWS:
        return
    terminalreporter.section("faults and the clauses that catch them")
    terminalreporter.write_line(as_text(FAULTS, ROWS))
    terminalreporter.write_line(LEGEND if EVERY_CLAUSE else f"{LEGEND}, or not tried: see `make campaign`")
    if EVERY_CLAUSE:
        PAGE.write_text(as_markdown(FAULTS, {**from_markdown(PAGE.read_text(encoding="utf-8")), **ROWS}), "utf-8")
        terminalreporter.write_line(f"written to {PAGE.relative_to(ROOT)}")


@pytest.fixture(scope="session")
def runs() -> Iterator[ForkedRuns]:
    """Starts runs of this suite as on a machine without a GPU; all are forked from one process."""
    with ForkedRuns() as forked:
        yield forked


@pytest.fixture
def loads(tmp_path: Path) -> Path:
    """A file to which runs started with `-p log_loads` append a line, `worker model`, per loaded model."""
    (tmp_path / "log_loads.py").write_text(LOG_LOADS.format(file=str(tmp_path / "loads")))
    return tmp_path / "loads"
