"""Outcome 2: the difference between tools is specific to one model, whichever it is."""

from reports.verdicts.evidence import Evidence
from reports.verdicts.rule import LIKELY_CAUSE, Decision, VerdictRule
from reports.verdicts.verdict import Tone
from steering_core.records.thresholds import AGREES, DIVERGES

ACTION = (
    "Report it as a finding about {model} alone and check whether its architecture causes it (grouped-query attention, "
    "where its norms sit); continue to the transfer phase with a tool that passes on every model."
)


def decide(evidence: Evidence) -> Decision | None:
    """One model diverges and all others agree."""
    diverging, agreeing = evidence.diverging, evidence.agreeing
    if len(diverging) != 1 or len(agreeing) != len(evidence.models) - 1:
        return None
    models = f"the tools diverge on {diverging[0]} and agree on {', '.join(agreeing)}"
    return Decision(f"a model-specific artifact: {models}", ACTION.format(model=diverging[0]))


RULE = VerdictRule(
    conclusion="OUTCOME_2",
    precedence=70,
    tone=Tone.BAD,
    condition=f"exactly one model diverges ({DIVERGES}) and every other agrees ({AGREES})",
    meaning="Which library you use changes the result on one model only.",
    decide=decide,
    heading=LIKELY_CAUSE,
)
