"""Runs for every meta check, and the fault matrix: rows from wherever they were measured, shown at the end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.faults import FAULTS
from parity.meta.fault_matrix import LEGEND, as_markdown, as_text
from parity.meta.forked_runs import ForkedRuns
from steering_core.places import ROOT

COUNTER = """
import os
from pathlib import Path
from parity.plugin.model_cache import ModelCache
opened = ModelCache._open
def counted(self, key):
    with open({file!r}, "a") as stream:
        stream.write(os.environ.get("PYTEST_XDIST_WORKER", "alone") + " " + key + "\\n")
    return opened(self, key)
ModelCache._open = counted
"""
ROWS: dict[str, dict[str, str]] = {}
PAGE = ROOT / "reports" / "fault_matrix.md"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Called per phase of each test, on the controller for workers too."""
    if report.when == "call":
        ROWS.update({row["fault"]: row["signs"] for name, row in report.user_properties if name == "fault_row"})


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Called last, on the controller: the matrix, and its page once every fault was tried."""
    if not ROWS:
        return
    terminalreporter.section("faults and the clauses that catch them")
    terminalreporter.write_line(as_text(FAULTS, ROWS))
    terminalreporter.write_line(LEGEND)
    if set(ROWS) >= {fault.name for fault in FAULTS}:
        PAGE.write_text(as_markdown(FAULTS, ROWS), encoding="utf-8")
        terminalreporter.write_line(f"written to {PAGE.relative_to(ROOT)}")


@pytest.fixture(scope="session")
def runs() -> Iterator[ForkedRuns]:
    """Runs of this suite on a machine without GPU; one process has imported the libraries for all of them."""
    with ForkedRuns() as started:
        yield started


@pytest.fixture
def loads(tmp_path: Path) -> Path:
    """A file in which runs started with `-p count_loads` leave a line per loaded model."""
    (tmp_path / "count_loads.py").write_text(COUNTER.format(file=str(tmp_path / "loads")))
    return tmp_path / "loads"
