"""Outcome 1: the tools differ, and not on one model alone."""

from reports.verdicts.evidence import Evidence
from reports.verdicts.rule import LIKELY_CAUSE, Decision, VerdictRule
from reports.verdicts.verdict import Tone
from steering_core.records.thresholds import DIVERGES

ACTION = (
    "Report it as a reproducibility finding, the strongest result here. Look for the root cause, first at the "
    "extraction point; continue to the transfer phase with a tool that passes the whole preflight."
)


def decide(evidence: Evidence) -> Decision | None:
    """Two models or more diverge."""
    diverging = evidence.diverging
    if len(diverging) < 2:
        return None
    models = f"{len(diverging)} of {len(evidence.models)} models diverge ({', '.join(diverging)})"
    return Decision(f"the tooling issue is real and generalizes: {models}", ACTION)


RULE = VerdictRule(
    conclusion="OUTCOME_1",
    precedence=60,
    tone=Tone.BAD,
    condition=f"at least two models diverge, each with {DIVERGES}",
    meaning="Which library you use changes the result, on more than one model.",
    decide=decide,
    heading=LIKELY_CAUSE,
)
