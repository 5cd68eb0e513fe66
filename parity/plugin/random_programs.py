"""The assertion of P13 and S9: no random program fails; the smallest failing one is kept and explained."""

from parity.plugin.arguments import Draft, ProgramRuns, Tool
from parity.plugin.assertions import assert_holds, not_offered


def assert_no_failure(programs: ProgramRuns, tool: Tool, record: Draft, kind: str) -> None:
    """No program fails; a failing one is kept as a file, for --program. What a tool offers at any site is asked of it."""
    __tracebackhide__ = True
    if not programs.are_offered(tool, kind):
        not_offered(record, f"{tool.name} offers no {kind} at any site")
    survey = programs.survey(tool, kind)
    record.note(**survey.counts, seed=programs.seed, corpus=len(programs.corpus))
    failure = survey.failure
    if failure is not None:
        record.note(program=failure.program.model_dump(mode="json"), cause=failure.cause)
        record.note(program_file=programs.keep(failure.program, record.cell.id))
    ran = f"{len(survey.programs)} {kind} programs of {survey.counts['reads']} reads"
    agrees = f"{ran} and {survey.counts['generations']} generations hold"
    assert_holds(record, failure is None, agrees, str(failure))
