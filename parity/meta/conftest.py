"""Collects the rows of the fault matrix from wherever they were measured, and shows them at the end."""

from typing import Any

import pytest

from fixtures.faults import FAULTS
from parity.matrix import ROOT
from parity.meta.fault_matrix import LEGEND, as_markdown, as_text

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
