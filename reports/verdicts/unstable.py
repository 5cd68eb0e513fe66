"""UNSTABLE: a tool does not reproduce its own direction, so a difference between tools may be noise."""

from reports.verdicts.decision import Decision
from reports.verdicts.evidence import Evidence
from reports.verdicts.numbers import number_model
from reports.verdicts.verdict import Conclusion

RULE = "on some model the worst within-tool cosine is not above 0.999"


def apply(evidence: Evidence) -> Decision | None:
    """Fires when any model is not stable; quotes the words of its worst within-tool check."""
    moving = [model for model in evidence.models if not model.stable]
    if not moving:
        return None
    said = "; ".join(
        f"{model.model}: {number.text} ({model.within.sentence})"
        for model in moving
        if model.within and (number := number_model(model).w)
    )
    return Decision(
        Conclusion.UNSTABLE,
        f"a tool does not give the same direction twice: {said}",
        RULE,
        "Find and report what varies between the repeats (floating point, batching, process) before comparing tools.",
    )
