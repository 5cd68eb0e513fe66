"""Which prompts make candidates, and which score them: variations of one prompt never fall on both sides."""

from collections.abc import Sequence
from dataclasses import dataclass

from steering_core.errors import UsageProblem

PREFIXES = ("", "Please answer: ", "Question: ", "I want to know: ", "Tell me: ")
"""Five ways to begin a prompt: 10 prompts become 50, as in the V3 plan's appendix A (whose own prefixes are unpublished)."""
VALIDATION_SHARE = 100 / 280
"""Of the COSMIC repository: 180 training and 100 validation prompts per class."""


@dataclass(frozen=True)
class PromptSplit:
    """training: make candidates. validation: score them. The same prompts if `shared` (the study)."""

    training: tuple[str, ...]
    validation: tuple[str, ...]

    @property
    def shared(self) -> bool:
        """Whether a prompt both makes and scores candidates."""
        return bool(set(self.training) & set(self.validation))


def with_prefixes(prompts: Sequence[str], prefixes: Sequence[str] = PREFIXES) -> tuple[str, ...]:
    """Every prompt after every prefix; the variations of a prompt lie side by side."""
    return tuple(prefix + prompt for prompt in prompts for prefix in prefixes)


def split_prompts(
    prompts: Sequence[str], share: float = VALIDATION_SHARE, prefixes: Sequence[str] = ("",)
) -> PromptSplit:
    """The last `share` of the prompts validate, at least one and not all; prefixes are put on after the split.

    UsageProblem for fewer than two prompts, or a prompt that occurs twice: it could fall on both sides.
    """
    if len(set(prompts)) < len(prompts) or len(prompts) < 2:
        sentence = f"{len(prompts)} prompts, {len(set(prompts))} of them distinct, cannot be split"
        raise UsageProblem("prompt-split", sentence, "two or more distinct prompts per class")
    validating = min(len(prompts) - 1, max(1, round(share * len(prompts))))
    halves = prompts[:-validating], prompts[-validating:]
    return PromptSplit(*(with_prefixes(half, prefixes) for half in halves))


def unsplit(prompts: Sequence[str], prefixes: Sequence[str] = ("",)) -> PromptSplit:
    """The same prompts on both sides, as in the study."""
    varied = with_prefixes(prompts, prefixes)
    return PromptSplit(varied, varied)
