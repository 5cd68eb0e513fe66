"""Steering S9: random lists of edits, drawn from a seed for what each tool offers."""

import pytest

from parity.plugin.arguments import Draft, ProgramRuns, Tool
from parity.plugin.random_programs import assert_no_failure


@pytest.mark.clause("S9")
def test_steering_programs(programs: ProgramRuns, tool: Tool, record: Draft) -> None:
    """S9: random lists of edits, on any batch and however the model is fed, move the stream exactly as an independent
    interpreter says, and give the reference's tokens."""
    assert_no_failure(programs, tool, record, "steering")
