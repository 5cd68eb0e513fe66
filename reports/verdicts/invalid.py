"""INVALID: a preflight clause or the premise was measured and does not hold (next-step brief, row 4)."""

from reports.verdicts.decision import Decision
from reports.verdicts.evidence import Evidence
from reports.verdicts.run_index import GATES
from reports.verdicts.verdict import Conclusion

RULE = "a preflight clause fails, or the unsteered model does not behave as the premise (B3) asks"
EXTRACTION = (
    "Put the extraction right first and repeat: directions from tensors that do not match say nothing about the tools, "
    "and the mismatch may explain the whole difference."
)
PREMISE = "Choose prompts or a model for which the premise holds: harmful refused, evaluation prompts answered."


def apply(evidence: Evidence) -> Decision | None:
    """Fires in a gated run only; without the gate the numbers decide, headed by the failed clause."""
    if not (evidence.plan.gated and evidence.failed):
        return None
    first, *others = evidence.failed
    more = f" (and {len(others)} more)" if others else ""
    action = PREMISE if first.clause == GATES else EXTRACTION
    return Decision(Conclusion.INVALID, f"{first.text}{more}", RULE, action)
