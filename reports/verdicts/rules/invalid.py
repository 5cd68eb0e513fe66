"""INVALID: a preflight clause or the premise was measured and does not hold (next-step brief, row 4)."""

from reports.verdicts.evidence import Evidence
from reports.verdicts.rule import Decision, VerdictRule, first_of
from reports.verdicts.run_index import GATES
from reports.verdicts.verdict import Tone

FIX_EXTRACTION = (
    "Fix the extraction first and repeat the run: directions from tensors that do not match say nothing about the "
    "tools, and the mismatch may explain the whole difference."
)
CHANGE_PROMPTS = "Choose prompts or a model for which the premise holds: harmful refused, harmless prompts answered."


def decide(evidence: Evidence) -> Decision | None:
    """Whatever else is missing, in a gated run; without the gate the numbers decide, headed by the failed clause."""
    if not (evidence.plan.gated and evidence.failed):
        return None
    action = CHANGE_PROMPTS if evidence.failed[0].clause == GATES else FIX_EXTRACTION
    return Decision(first_of([cause.text for cause in evidence.failed]), action)


RULE = VerdictRule(
    conclusion="INVALID",
    precedence=30,
    tone=Tone.BAD,
    condition="a preflight clause fails, or the unsteered model does not behave as the premise (B3) requires",
    meaning="A basic check failed. Until it is fixed, comparing the tools would compare different things.",
    decide=decide,
    fix_first=True,
)
