"""INDETERMINATE: complete and stable numbers that no rule of the protocol covers, and no tool to go on with."""

from reports.verdicts.decision import Decision
from reports.verdicts.evidence import Evidence
from reports.verdicts.numbers import list_holes
from reports.verdicts.verdict import Conclusion

RULE = "no other rule applies"


def apply(evidence: Evidence) -> Decision:
    """Always fires: the last rule. Lists each quantity in a hole with its distance from every line."""
    holes = "; ".join(hole for model in evidence.models for hole in list_holes(model))
    return Decision(
        Conclusion.INDETERMINATE,
        f"the protocol has no Outcome for these numbers ({holes}), and {evidence.proceed.reason}",
        RULE,
        "Report the numbers and their distance from each rule; do not round them into an Outcome.",
    )
