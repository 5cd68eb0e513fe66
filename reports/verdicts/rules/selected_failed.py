"""SELECTED CHECKS FAILED: a run without behavior of some checks alone, one of which, beside the preflight, fails."""

from reports.verdicts.evidence import Evidence
from reports.verdicts.rule import Decision, VerdictRule, first_of
from reports.verdicts.selection import is_whole_preflight, list_failed
from reports.verdicts.verdict import Tone

ACTION = "Read the failed check, fix its cause, and repeat it; then run the whole preflight (`-k preflight`)."


def decide(evidence: Evidence) -> Decision | None:
    """One check that does not hold is enough; a failed preflight check has its own rule, before this one."""
    index = evidence.index
    failed = [index.records[cell] for cell in list_failed(index)]
    if not index.preflight_only or is_whole_preflight(index) or not failed:
        return None
    return Decision(first_of([f"{record.cell.id} fails: {record.sentence}" for record in failed]), ACTION)


RULE = VerdictRule(
    conclusion="SELECTED_CHECKS_FAILED",
    precedence=22,
    tone=Tone.BAD,
    condition="the run measures no behavior and leaves out part of the preflight; a selected check does not hold",
    meaning="A selected check does not hold. The whole preflight was not part of this run.",
    decide=decide,
    fix_first=True,
)
