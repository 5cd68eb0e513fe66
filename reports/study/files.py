"""The published phase 1 artifacts of the study, as data: the full file with every direction, and the summary."""

import re
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Generic, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from reports.study.rates import Counts, Percent, StudyRates, whole_prompts
from steering_core.errors import ArtifactProblem
from steering_core.records.record import Frozen, Value

FLOAT32 = 1e-6
"""Rounding carried some published cosines just above 1."""
SUMMARY_CAVEATS = (
    "{model}: a summary without directions, layer, strength or commit; only the file name names the model",
    "{model}: the cosine between tools is the published mean over raw harmful activations, not that of directions",
)
ToolPair = Annotated[str, Field(pattern=r"^[a-z]+_vs_[a-z]+$")]
"""Two tools, as the study names them: `hooks_vs_nnsight`."""
Cosine = Annotated[float, Field(ge=-1 - FLOAT32, le=1 + FLOAT32)]
Number = TypeVar("Number")


class Origin(NamedTuple):
    """What a published file says about itself; model: its key in this suite's spelling, `gemma9b` for gemma-9b."""

    model: str
    saved: datetime
    settings: dict[str, Value]
    caveats: tuple[str, ...]


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

    @cached_property
    def unit(self) -> NDArray[np.float64]:
        """The direction in float64, of norm 1."""
        wide = np.asarray(self.direction, dtype=np.float64)
        return np.asarray(wide / np.linalg.norm(wide))

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
    pairwise_raw_cosine_mean: dict[ToolPair, Cosine]
    pairwise_last_sample_l2: dict[ToolPair, float]
    parity_pass: bool


class Repeat(Frozen):
    """One repeat of every tool."""

    repeat: int
    seed: int
    methods: dict[str, Annotated[MethodResult | FailedMethod, Field(discriminator="ok")]]
    tensor_site_parity: SiteParity


class Spread(Frozen, Generic[Number]):
    """A quantity over the repeats."""

    mean: Number
    std: float
    min: Number
    max: Number


class Aggregate(Frozen):
    """One tool over its repeats."""

    n_ok: int
    coherent_rate: Spread[Percent]
    garbled_rate: Spread[Percent]
    normal_rate: Spread[Percent]
    within_method_cosine: Spread[Cosine]


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
    timestamp_utc: datetime
    git_commit: str
    runs: list[Repeat] = Field(min_length=1)
    aggregate: dict[str, Aggregate]

    @property
    def results(self) -> dict[str, dict[int, MethodResult]]:
        """{tool: {repeat: result}} of what finished, by name of tool."""
        results: dict[str, dict[int, MethodResult]] = {}
        for tool in sorted(self.methods):
            for run in self.runs:
                if isinstance(result := run.methods.get(tool), MethodResult):
                    results.setdefault(tool, {})[run.repeat] = result
        return results

    @model_validator(mode="after")
    def _one_size(self) -> "FullArtifact":
        sizes = {len(result.direction) for repeats in self.results.values() for result in repeats.values()}
        if len(sizes) != 1:
            raise ValueError(f"directions of sizes {sorted(sizes)}, expected one size")
        return self

    def origin(self, name: str) -> Origin:
        """Everything is in the file; only the commit may be missing."""
        model = self.model_key.replace("-", "")
        settings: dict[str, Value] = {"model_id": self.model_id, "site": f"resid_post@{self.layer_idx}"}
        settings |= {"strength": self.multiplier, "commit": self.git_commit or "not stored"}
        caveats = () if self.git_commit else (f"{model}: the commit of the code is not stored",)
        return Origin(model, self.timestamp_utc, settings, caveats)


class SummaryArtifact(Frozen):
    """Phase 1 without directions, layer, strength, commit or model name."""

    saved: str
    summary: dict[str, Aggregate] = Field(min_length=1)
    method_status: dict[str, dict[Literal["ok"], bool]]
    tensor_site_parity: SiteParity
    eval_prompt_count: int = Field(gt=0)

    @model_validator(mode="after")
    def _known_counts(self) -> "SummaryArtifact":
        self.counts()
        return self

    def counts(self) -> dict[str, dict[int, Counts]]:
        """{tool: {repeat: prompts per class}}; ValueError when repeats differ, because only their mean is stored."""
        counts = {}
        for tool, row in self.summary.items():
            rates = (row.coherent_rate, row.garbled_rate, row.normal_rate)
            if any(rate.min != rate.max for rate in rates):
                raise ValueError("rates vary between repeats and only their mean is stored: expected the full artifact")
            repeated = whole_prompts([rate.mean for rate in rates], self.eval_prompt_count)
            counts[tool] = dict.fromkeys(range(row.n_ok), repeated)
        return counts

    def origin(self, name: str) -> Origin:
        """Model and time are known from file names alone; ArtifactProblem when `name` does not hold the model."""
        if (key := re.search(r"_([a-z]+-\d+b)_", name)) is None:
            sentence = f"{name} does not say which model it is about"
            raise ArtifactProblem("artifact-model", sentence, "keep the published file name")
        model = key[1].replace("-", "")
        stamp = re.search(r"_(\d{8}_\d{6})\.json$", self.saved)
        saved = datetime.strptime(stamp[1] if stamp else "19700101_000000", "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
        return Origin(model, saved, {}, tuple(caveat.format(model=model) for caveat in SUMMARY_CAVEATS))
