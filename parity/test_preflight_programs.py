"""Preflight P13: random sequences of reads, drawn from a seed for what each tool offers."""

import pytest

from parity.plugin.arguments import Draft, ProgramRuns, Tool
from parity.plugin.random_programs import assert_no_failure


@pytest.mark.clause("P13")
def test_reading_programs(programs: ProgramRuns, tool: Tool, record: Draft) -> None:
    """P13: random sequences of reads return the truth: any sites, in any order, of any batch, after any other call."""
    assert_no_failure(programs, tool, record, "reading")
