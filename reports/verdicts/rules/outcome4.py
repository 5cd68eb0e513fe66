"""Outcome 4: the tools agree everywhere."""

from reports.verdicts.evidence import Evidence
from reports.verdicts.rule import Decision, VerdictRule
from reports.verdicts.verdict import Tone
from steering_core.records.thresholds import AGREES

ACTION = (
    "Write it up as a reproducibility confirmation: the reported divergence was specific to one model or to the first "
    "implementation. Do not extend the comparison to more models."
)


def decide(evidence: Evidence) -> Decision | None:
    """All models agree."""
    if len(evidence.agreeing) < len(evidence.models):
        return None
    models = ", ".join(evidence.agreeing)
    return Decision(
        f"stop, the divergence does not generalize: all tools agree on {models}{evidence.by_points}", ACTION
    )


RULE = VerdictRule(
    conclusion="OUTCOME_4",
    precedence=80,
    tone=Tone.GOOD,
    condition=f"every model agrees, each with {AGREES}",
    meaning="The tools give the same result on every model: here, the choice of library does not matter.",
    decide=decide,
    heading="{cause}, which did not move the numbers — {headline}",
)
