"""P13 and S9: random programs, drawn from a seed for what each tool offers; the smallest failing one is kept and explained."""

import pytest

from parity.plugin.arguments import Draft, ProgramRuns, Tool
from parity.plugin.assertions import assert_holds


@pytest.mark.clause("P13")
@pytest.mark.needs("read")
def test_reading_programs(programs: ProgramRuns, tool: Tool, record: Draft) -> None:
    """P13: random sequences of reads return the truth: any sites, in any order, of any batch, after any other call."""
    assert_no_failure(programs, tool, record, "reading")


@pytest.mark.clause("S9")
@pytest.mark.needs("add")
def test_steering_programs(programs: ProgramRuns, tool: Tool, record: Draft) -> None:
    """S9: random lists of edits, on any batch and however the model is fed, move the stream exactly as an independent
    interpreter says, and give the reference's tokens."""
    assert_no_failure(programs, tool, record, "steering")


def assert_no_failure(programs: ProgramRuns, tool: Tool, record: Draft, kind: str) -> None:
    """No program fails; a failing one is kept as a file, for --program."""
    survey = programs.survey(tool, kind)
    record.note(**survey.counts, seed=programs.seed, corpus=len(programs.corpus))
    failure = survey.failure
    if failure is not None:
        record.note(program=failure.program.model_dump(mode="json"), cause=failure.cause)
        record.note(program_file=programs.keep(failure.program, record.cell.id))
    ran = f"{len(survey.programs)} {kind} programs of {survey.counts['reads']} reads"
    agrees = f"{ran} and {survey.counts['generations']} generations hold"
    assert_holds(record, failure is None, agrees, str(failure))
