"""Outcome 2: the difference between tools belongs to one model, whichever it is."""

from reports.verdicts.decision import Decision
from reports.verdicts.evidence import Evidence
from reports.verdicts.verdict import Conclusion

RULE = "exactly one model diverges (c < 0.95 and g > 20 pp) and every other agrees (c > 0.99 and g <= 5 pp)"


def apply(evidence: Evidence) -> Decision | None:
    """Fires when one model diverges and all others agree."""
    agreeing = [model.model for model in evidence.models if model.agrees]
    if len(evidence.diverging) != 1 or len(agreeing) != len(evidence.models) - 1:
        return None
    alone = evidence.diverging[0]
    return Decision(
        Conclusion.OUTCOME_2,
        f"a model-specific artifact: the tools diverge on {alone} and agree on {', '.join(agreeing)}",
        RULE,
        f"Report it as a finding about {alone} alone and look whether its architecture causes it (grouped-query "
        "attention, where its norms sit); go on to the transfer phase with a tool that passes on every model.",
    )
