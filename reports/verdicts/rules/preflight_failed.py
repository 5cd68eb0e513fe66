"""PREFLIGHT FAILED: a run without behavior in which a preflight check does not hold, whatever else is missing."""

from reports.verdicts.evidence import Evidence
from reports.verdicts.rule import Decision, VerdictRule, first_of
from reports.verdicts.verdict import Tone

ACTION = "Fix the extraction before computing any direction; start with the first failed clause."


def decide(evidence: Evidence) -> Decision | None:
    """One check that does not hold is enough."""
    if not (evidence.index.preflight_only and evidence.failed):
        return None
    return Decision(first_of([cause.text for cause in evidence.failed]), ACTION)


RULE = VerdictRule(
    conclusion="PREFLIGHT_FAILED",
    precedence=10,
    tone=Tone.BAD,
    condition="the run measures no behavior, and a preflight check does not hold",
    meaning="A basic check of a tool failed. Fix that before measuring anything with it.",
    decide=decide,
    fix_first=True,
)
