"""Outcome 1: the difference between tools is real and not tied to one model."""

from reports.verdicts.decision import Decision
from reports.verdicts.evidence import Evidence
from reports.verdicts.verdict import Conclusion

RULE = "at least two models diverge, each with c < 0.95 and g > 20 pp"


def apply(evidence: Evidence) -> Decision | None:
    """Fires when two models or more diverge."""
    diverging = evidence.diverging
    if len(diverging) < 2:
        return None
    return Decision(
        Conclusion.OUTCOME_1,
        f"the tooling issue is real and generalizes: {len(diverging)} of {len(evidence.models)} models diverge "
        f"({', '.join(diverging)})",
        RULE,
        "Report it as a reproducibility finding, the strongest result here. Look for the root cause, first at the "
        "extraction point; go on to the transfer phase with a tool that passes the whole preflight.",
    )
