"""SELECTED CHECKS PASSED: a run without behavior of some checks alone, all of which hold; it says nothing more."""

from reports.verdicts.evidence import Evidence
from reports.verdicts.rule import Decision, VerdictRule
from reports.verdicts.run_index import is_preflight
from reports.verdicts.selection import describe_checks, list_failed
from reports.verdicts.verdict import Tone

ACTION = "Run the whole preflight (`-k preflight`) before relying on these tools."


def decide(evidence: Evidence) -> Decision | None:
    """Nothing that was selected failed or is missing; the rule of a whole preflight comes before this one."""
    index = evidence.index
    if not index.preflight_only or evidence.failed or evidence.missing or list_failed(index):
        return None
    whole = {cell for cell in index.plan.required if is_preflight(cell)}
    left_out = len(whole - set(index.cells))
    rest = f"; {left_out} preflight checks were not selected" if left_out else ""
    return Decision(describe_checks(index, index.plan.planned, "selected checks") + rest, ACTION)


RULE = VerdictRule(
    conclusion="SELECTED_CHECKS_PASSED",
    precedence=24,
    tone=Tone.GOOD,
    condition="the run measures no behavior and leaves out part of the preflight; every selected check holds",
    meaning="The selected checks hold. What was not selected may fail, so this is not a passed preflight.",
    decide=decide,
)
