"""UNSTABLE: a tool does not reproduce its own direction, so a difference between tools may be noise."""

from reports.verdicts.evidence import Evidence
from reports.verdicts.rule import LIKELY_CAUSE, Decision, VerdictRule
from reports.verdicts.verdict import Tone
from steering_core.records.thresholds import STABLE_COSINE

ACTION = "Find and report what varies between the repeats (floating point, batching, process) before comparing tools."


def decide(evidence: Evidence) -> Decision | None:
    """Some model is not stable; quotes the sentence of its worst within-tool check."""
    measured = [model for model in evidence.models if model.numbers.within_cosine]
    unstable = [model for model in measured if not model.stable]
    if not unstable:
        return None
    cosines = [(model, model.numbers.within_cosine) for model in unstable]
    worst = [f"{model.model}: {cosine.text} ({model.within_sentence})" for model, cosine in cosines if cosine]
    return Decision(f"a tool does not give the same direction twice: {'; '.join(worst)}", ACTION)


RULE = VerdictRule(
    conclusion="UNSTABLE",
    precedence=50,
    tone=Tone.OPEN,
    condition=f"on at least one model, a tool does not reach a {STABLE_COSINE}",
    meaning="A tool does not repeat its own result, so a difference between tools could be chance.",
    decide=decide,
    heading=LIKELY_CAUSE,
    fix_first=True,
)
