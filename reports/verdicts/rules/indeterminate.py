"""INDETERMINATE: complete and stable numbers that no rule of the protocol covers, and no tool to recommend."""

from reports.verdicts.evidence import Evidence
from reports.verdicts.rule import LIKELY_CAUSE, Decision, VerdictRule
from reports.verdicts.verdict import Tone

ACTION = "Report the numbers and their distance from each threshold; do not round them into an Outcome."


def decide(evidence: Evidence) -> Decision:
    """Always fires; lists each quantity that is between thresholds."""
    numbers = f"the protocol has no Outcome for these numbers ({evidence.between_thresholds})"
    return Decision(f"{numbers}, and {evidence.proceed.reason}", ACTION)


RULE = VerdictRule(
    conclusion="INDETERMINATE",
    precedence=1000,
    tone=Tone.OPEN,
    condition="no other rule applies",
    meaning="The numbers fall between the protocol's thresholds: none of its Outcomes applies.",
    decide=decide,
    heading=LIKELY_CAUSE,
)
