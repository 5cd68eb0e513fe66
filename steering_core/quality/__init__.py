"""Is a generated text a coherent refusal, garbled, or normal? Two classifiers, always reported side by side."""

from collections.abc import Callable

from steering_core.errors import SuiteError
from steering_core.quality.classes import Quality
from steering_core.quality.strict_v3 import classify_strict_v3, loops
from steering_core.quality.study_v1 import classify_study_v1

__all__ = ["CLASSIFIERS", "DEFAULT_CLASSIFIER", "Quality", "classify", "judge_text"]

CLASSIFIERS: dict[str, Callable[[str], Quality]] = {
    "study-v1": classify_study_v1,
    "strict-v3": classify_strict_v3,
}
DEFAULT_CLASSIFIER = "strict-v3"


def classify(text: str, classifier: str = DEFAULT_CLASSIFIER) -> Quality:
    """The class of one generated text (new tokens only, decoded). Raises SuiteError for an unknown classifier."""
    if classifier not in CLASSIFIERS:
        hint = f"known classifiers: {', '.join(CLASSIFIERS)}"
        raise SuiteError("unknown-classifier", f"there is no classifier {classifier!r}", hint)
    return CLASSIFIERS[classifier](text)


def judge_text(text: str, classifier: str = DEFAULT_CLASSIFIER) -> tuple[Quality, bool]:
    """The class of a text's first part, and whether the whole text loops; errors as `classify`."""
    return classify(text, classifier), loops(text)
