"""A run without behavior says whether the preflight holds, and never an Outcome.

One cell that does not hold is enough to fail; to pass, every planned cell must have been measured and every preflight
cell must hold. Between the two (a crash, a missing library, an interruption) the run is INCOMPLETE: not measured is
not the same as wrong. One model is enough here; the premise B3 belongs to behavior and does not count.
"""

from reports.verdicts.decision import Decision
from reports.verdicts.evidence import Evidence
from reports.verdicts.run_index import GATES, is_preflight
from reports.verdicts.verdict import Cause, Conclusion
from steering_core.records.record import Cell

RULE = "no behavior was asked for: the preflight failed if one cell does not hold, passed if all were measured and hold"


def apply(evidence: Evidence) -> Decision | None:
    """PREFLIGHT_PASSED, PREFLIGHT_FAILED or INCOMPLETE; None when the run asked for behavior."""
    if not evidence.index.preflight_only:
        return None
    if failed := [cause for cause in evidence.failed if cause.clause != GATES]:
        return _fail(failed)
    checked = [cell for cell in evidence.index.cells if is_preflight(cell)]
    if evidence.missing or not checked:
        return _leave_open(evidence)
    return Decision(
        Conclusion.PREFLIGHT_PASSED,
        _say_passed(evidence, checked),
        RULE,
        "The tools read the same, right tensors here; run with behavior, on two models or more, to reach an Outcome.",
    )


def _say_passed(evidence: Evidence, checked: list[Cell]) -> str:
    """What holds, and how much of the preflight of these models that is."""
    models = dict.fromkeys(cell.model for cell in checked)
    tools = dict.fromkeys(name for cell in checked for name in (cell.tool, cell.other) if name)
    whole = {cell for cell in evidence.plan.required if is_preflight(cell) and cell.model in models}
    left_out = len(whole - set(checked))
    part = (
        f"all {len(checked)} preflight cells"
        if not left_out
        else (f"the {len(checked)} selected preflight cells, with {left_out} not selected,")
    )
    declared = sum(evidence.index.records[cell].declared for cell in checked)
    part += f" but {declared} declared deviations" if declared else ""
    return f"{part} hold on {', '.join(models)} ({', '.join(tools)})"


def _fail(failed: list[Cause]) -> Decision:
    first, *others = failed
    more = f" (and {len(others)} more)" if others else ""
    return Decision(
        Conclusion.PREFLIGHT_FAILED,
        f"{first.text}{more}",
        RULE,
        "Put the extraction right before any direction is computed; the first failed clause is where to look.",
    )


def _leave_open(evidence: Evidence) -> Decision:
    what = evidence.missing[0] if evidence.missing else "neither a preflight check nor behavior was selected"
    return Decision(
        Conclusion.INCOMPLETE,
        f"the preflight is not decided: {what}",
        RULE,
        "Run what is missing; until then the preflight has neither passed nor failed.",
    )
