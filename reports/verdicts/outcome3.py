"""Outcome 3: numbers that no rule covers, but stable, and with a tool that is validated."""

from reports.verdicts.decision import Decision
from reports.verdicts.evidence import Evidence
from reports.verdicts.numbers import list_holes
from reports.verdicts.verdict import Conclusion

RULE = "every model is stable and a tool passes every preflight clause, though neither Outcome 1, 2 nor 4 applies"


def apply(evidence: Evidence) -> Decision | None:
    """Fires when the proceed flag is on; the quantities that kept the other Outcomes away are named."""
    if evidence.proceed.tool is None:
        return None
    holes = "; ".join(hole for model in evidence.models for hole in list_holes(model))
    return Decision(
        Conclusion.OUTCOME_3,
        f"proceed with {evidence.proceed.tool}, the validated tool; no other Outcome applies ({holes})",
        RULE,
        f"Lock in {evidence.proceed.tool} for the transfer phase, and report the numbers that fall between the rules.",
    )
