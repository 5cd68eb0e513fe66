"""Is a generated text a coherent refusal, garbled, or normal? Two classifiers, always reported side by side."""

from collections.abc import Callable

from steering_core.errors import SuiteError
from steering_core.quality.classes import Quality
from steering_core.quality.strict_v2 import classify_strict_v2
from steering_core.quality.study_v1 import classify_study_v1

__all__ = ["CLASSIFIERS", "DEFAULT_CLASSIFIER", "Quality", "classify"]

CLASSIFIERS: dict[str, Callable[[str], Quality]] = {
    "study-v1": classify_study_v1,
    "strict-v2": classify_strict_v2,
}
DEFAULT_CLASSIFIER = "strict-v2"


def classify(text: str, classifier: str = DEFAULT_CLASSIFIER) -> Quality:
    """The class of one generated text (new tokens only, decoded). Raises SuiteError for an unknown classifier."""
    if classifier not in CLASSIFIERS:
        hint = f"known classifiers: {', '.join(CLASSIFIERS)}"
        raise SuiteError("unknown-classifier", f"there is no classifier {classifier!r}", hint)
    return CLASSIFIERS[classifier](text)
