"""Published rates: percentages that stand for whole prompts."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, model_validator

from steering_core.records.record import Frozen

ROUNDING = 1e-6
"""How far from a whole number of prompts a published percentage may be."""
Percent = Annotated[float, Field(ge=0, le=100)]
PromptCount = Annotated[int, Field(gt=0, le=10_000)]


class Counts(NamedTuple):
    """Prompts answered in each class."""

    coherent: int
    garbled: int
    normal: int

    @property
    def share(self) -> float:
        """Coherent answers as a proportion of all prompts."""
        return self.coherent / sum(self)


class PromptRow(Frozen):
    """One evaluation prompt of a later transfer run."""

    prompt_id: int
    prompt: str
    quality: Literal["coherent", "garbled", "normal"]
    refusal: bool
    output_hash: str


class StudyRates(Frozen):
    """Shares of the evaluation prompts. refusal_rate counts keywords, in garbled text too."""

    n_prompts: PromptCount
    coherent_rate: Percent
    garbled_rate: Percent
    normal_rate: Percent
    refusal_rate: Percent
    per_prompt: list[PromptRow] = Field(default_factory=list)

    @model_validator(mode="after")
    def _whole_prompts(self) -> "StudyRates":
        counts = self.counts()
        listed = Counts(*(sum(row.quality == name for row in self.per_prompt) for name in Counts._fields))
        if self.per_prompt and listed != counts:
            raise ValueError(f"the rates stand for {counts}, the rows per prompt for {listed}")
        return self

    def counts(self) -> Counts:
        """Prompts per class."""
        return whole_prompts((self.coherent_rate, self.garbled_rate, self.normal_rate), self.n_prompts)

    def contradictions(self) -> Iterator[str]:
        """Where refusals and classes contradict: every coherent answer has a refusal keyword, no normal one has."""
        counts, exact = self.counts(), self.refusal_rate * self.n_prompts / 100
        if not counts.coherent - ROUNDING <= exact <= counts.coherent + counts.garbled + ROUNDING:
            classes = f"{counts.coherent} coherent and {counts.garbled} garbled answers"
            yield f"refusal_rate {self.refusal_rate:.10g}, but {classes} of {self.n_prompts}"
        elif abs(exact - round(exact)) > ROUNDING:
            yield f"refusal_rate {self.refusal_rate:.10g} of {self.n_prompts} prompts is no whole number of prompts"
        listed = sum(row.refusal for row in self.per_prompt)
        if self.per_prompt and listed != round(exact):
            yield f"refusal_rate {self.refusal_rate:.10g}, but {listed} of {self.n_prompts} rows per prompt are refusals"
        for row in self.per_prompt:
            if row.quality != "garbled" and row.refusal != (row.quality == "coherent"):
                yield f"prompt {row.prompt_id} is {row.quality} with refusal {str(row.refusal).lower()}"


def whole_prompts(percentages: Sequence[float], prompts: int) -> Counts:
    """Prompts per class; ValueError unless the percentages stand for whole prompts and add up to all of them."""
    exact = [percent * prompts / 100 for percent in percentages]
    if any(abs(share - round(share)) > ROUNDING for share in exact):
        raise ValueError(f"{percentages} % of {prompts} prompts are not whole numbers of prompts")
    counts = Counts(*map(round, exact))
    if sum(counts) != prompts:
        raise ValueError("the rates do not add up to every prompt")
    return counts
