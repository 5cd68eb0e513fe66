"""Outcome 3: numbers that no other Outcome covers, but stable, and with a tool that is validated."""

from reports.verdicts.evidence import Evidence
from reports.verdicts.rule import LIKELY_CAUSE, Decision, VerdictRule
from reports.verdicts.verdict import Tone


def decide(evidence: Evidence) -> Decision | None:
    """A tool is recommended; names the quantities that rule out the other Outcomes."""
    if not (tool := evidence.proceed.tool):
        return None
    headline = f"proceed with {tool}, the validated tool; no other Outcome applies ({evidence.between_thresholds})"
    return Decision(
        headline, f"Lock in {tool} for the transfer phase, and report the numbers that are between thresholds."
    )


RULE = VerdictRule(
    conclusion="OUTCOME_3",
    precedence=90,
    tone=Tone.GOOD,
    condition="every model is stable and a tool passes every preflight clause, though no other Outcome applies",
    meaning="The results are stable, and at least one tool can be trusted for the next phase.",
    decide=decide,
    heading=LIKELY_CAUSE,
)
