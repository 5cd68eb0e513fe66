"""Outcome 4: the tools agree everywhere."""

from reports.verdicts.decision import Decision
from reports.verdicts.evidence import Evidence
from reports.verdicts.verdict import Conclusion

RULE = "every model agrees, each with c > 0.99 and g <= 5 pp"


def apply(evidence: Evidence) -> Decision | None:
    """Fires when all models agree."""
    if not all(model.agrees for model in evidence.models):
        return None
    return Decision(
        Conclusion.OUTCOME_4,
        f"stop, the divergence does not generalize: all tools agree on {', '.join(m.model for m in evidence.models)}",
        RULE,
        "Write it up as a reproducibility confirmation: the reported divergence belonged to one model or to the first "
        "implementation. Do not extend the comparison to more models.",
    )
