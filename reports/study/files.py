"""The published artifacts of the study, as data: the full phase 1 file, the phase 1 summary, and a transfer run."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from steering_core.records.record import Frozen

PERCENT = 1e-6
ToolPair = Annotated[str, Field(pattern=r"^[a-z]+_vs_[a-z]+$")]
"""Two tools, as the study names them: `hooks_vs_nnsight`."""


class StudyRates(Frozen):
    """Shares of the evaluation prompts, in percent. refusal_rate counts keywords, in garbled text too."""

    n_prompts: int = Field(gt=0)
    coherent_rate: float = Field(ge=0, le=100)
    garbled_rate: float = Field(ge=0, le=100)
    normal_rate: float = Field(ge=0, le=100)
    refusal_rate: float = Field(ge=0, le=100)
    per_prompt: list["PromptRow"] = Field(default_factory=list)

    @model_validator(mode="after")
    def _whole_prompts(self) -> "StudyRates":
        if sum(self.counts) != self.n_prompts:
            raise ValueError("the rates do not add up to every prompt")
        return self

    @property
    def counts(self) -> tuple[int, int, int]:
        """Prompts answered coherent, garbled, normal."""
        return (
            count(self.coherent_rate, self.n_prompts),
            count(self.garbled_rate, self.n_prompts),
            count(self.normal_rate, self.n_prompts),
        )


class PromptRow(Frozen):
    """One evaluation prompt of a later transfer run."""

    prompt_id: int
    prompt: str
    quality: Literal["coherent", "garbled", "normal"]
    refusal: bool
    output_hash: str


class MethodResult(Frozen):
    """One tool, one repeat: the unit direction it extracted and how steering with it went."""

    ok: Literal[True]
    harm_shape: list[int]
    safe_shape: list[int]
    direction_shape: list[int]
    direction_norm_prenorm: float = Field(gt=0)
    direction_norm: float
    eval: StudyRates
    elapsed_s: float
    direction: list[float]

    @model_validator(mode="after")
    def _declared_size(self) -> "MethodResult":
        if [len(self.direction)] != self.direction_shape:
            raise ValueError(f"a direction of {len(self.direction)} numbers, declared {self.direction_shape}")
        if not any(self.direction):
            raise ValueError("a direction of zeros")
        return self


class FailedMethod(Frozen):
    """A tool that did not finish."""

    ok: Literal[False]
    error: str = ""


class SiteParity(Frozen):
    """The study's own comparison of raw harmful activations between tools."""

    shape: dict[str, list[int]]
    dtype: dict[str, str]
    pairwise_raw_cosine_mean: dict[ToolPair, float]
    pairwise_last_sample_l2: dict[ToolPair, float]
    parity_pass: bool


class Repeat(Frozen):
    """One repeat of every tool."""

    repeat: int
    seed: int
    methods: dict[str, Annotated[MethodResult | FailedMethod, Field(discriminator="ok")]]
    tensor_site_parity: SiteParity


class Spread(Frozen):
    """A quantity over the repeats."""

    mean: float
    std: float
    min: float
    max: float


class Aggregate(Frozen):
    """One tool over its repeats; rates in percent."""

    n_ok: int
    coherent_rate: Spread
    garbled_rate: Spread
    normal_rate: Spread
    within_method_cosine: Spread


class Status(Frozen):
    """Whether a tool ran at all."""

    ok: bool


class FullArtifact(Frozen):
    """Phase 1 with every direction."""

    experiment: Literal["v4_tooling_parity"]
    model_key: str
    model_id: str
    layer_idx: int
    multiplier: float
    methods: list[str]
    repeats: int
    seed_base: int
    eval_prompt_count: int
    timestamp_utc: str
    git_commit: str
    runs: list[Repeat] = Field(min_length=1)
    aggregate: dict[str, Aggregate]


class SummaryArtifact(Frozen):
    """Phase 1 without directions, layer, strength, commit or model name."""

    saved: str
    summary: dict[str, Aggregate] = Field(min_length=1)
    method_status: dict[str, Status]
    tensor_site_parity: SiteParity
    eval_prompt_count: int = Field(gt=0)


def count(percent: float, prompts: int) -> int:
    """How many prompts a published percentage stands for; ValueError when it stands for no whole number."""
    exact = percent * prompts / 100
    if abs(exact - round(exact)) > PERCENT:
        raise ValueError(f"{percent} % of {prompts} prompts is not a whole number of prompts")
    return round(exact)
