"""The study's full phase 1 artifact as data: every direction of every tool and repeat."""

from datetime import datetime
from functools import cached_property
from typing import Annotated, Generic, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from reports.study.rates import Percent, PromptCount, StudyRates
from reports.study.registered import off_protocol
from reports.untrusted import plain
from steering_core.records.record import Frozen, Value

FLOAT32 = 1e-6
"""Rounding carried some published cosines just above 1; a cosine further above is refused."""
ERROR_TEXT = 200
"""Characters of a stored error message that are repeated."""
ToolPair = Annotated[str, Field(pattern=r"^[a-z]+_vs_[a-z]+$")]
"""Two tools, as the study names them: `hooks_vs_nnsight`."""
Cosine = Annotated[float, Field(ge=-1 - FLOAT32, le=1 + FLOAT32)]
UnitComponent = Annotated[float, Field(ge=-1.001, le=1.001)]
"""One number of a unit vector."""
Number = TypeVar("Number")


def stored_repeats(count: int) -> str:
    """Why a later repeat has no numbers."""
    return f"the file holds only {count} repeat{'s' if count > 1 else ''}"


class ReplaySource(NamedTuple):
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
    direction_norm_prenorm: float = Field(gt=0, lt=1e12)
    direction_norm: float
    eval: StudyRates
    elapsed_s: float
    direction: list[UnitComponent]

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
    """A tool that did not finish, with the stored error message."""

    ok: Literal[False]
    error: str = ""
    elapsed_s: float | None = None


class SiteParity(Frozen):
    """The study's own comparison of raw harmful activations between tools; with fewer than two, only a reason."""

    shape: dict[str, list[int]] = Field(default_factory=dict)
    dtype: dict[str, str] = Field(default_factory=dict)
    pairwise_raw_cosine_mean: dict[ToolPair, Cosine] = Field(default_factory=dict)
    pairwise_last_sample_l2: dict[ToolPair, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    parity_pass: bool
    reason: str = ""


class Repeat(Frozen):
    """One repeat of every tool."""

    repeat: int = Field(ge=0)
    seed: int
    methods: dict[str, Annotated[MethodResult | FailedMethod, Field(discriminator="ok")]]
    tensor_site_parity: SiteParity


class Spread(Frozen, Generic[Number]):
    """A quantity over the repeats."""

    mean: Number
    std: float = Field(ge=0)
    min: Number
    max: Number


class Aggregate(Frozen):
    """One tool over its repeats; one repeat alone has no within-tool cosine."""

    n_ok: int = Field(gt=0, le=1000)
    coherent_rate: Spread[Percent]
    garbled_rate: Spread[Percent]
    normal_rate: Spread[Percent]
    within_method_cosine: Spread[Cosine] | None = None


class FullArtifact(Frozen):
    """Phase 1 with every direction."""

    experiment: Literal["v4_tooling_parity"]
    model_key: str
    model_id: str
    layer_idx: int = Field(ge=0)
    multiplier: float
    methods: list[str]
    repeats: int
    seed_base: int
    eval_prompt_count: PromptCount
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

    @property
    def parities(self) -> list[SiteParity]:
        """The study's comparison of each repeat."""
        return [run.tensor_site_parity for run in self.runs]

    def problem_of(self, tool: str, repeat: int | None) -> str:
        """Why a tool has no numbers in a repeat, or in the whole file; empty when the file gives no reason."""
        runs = [run for run in self.runs if repeat in (None, run.repeat)]
        failures = [method for run in runs if isinstance(method := run.methods.get(tool), FailedMethod)]
        if failures:
            return f"{tool} failed: {plain(failures[0].error or 'no message is stored', ERROR_TEXT)}"
        if runs and not any(tool in run.methods for run in runs):
            return f"the file has no numbers of {tool}"
        return "" if runs else stored_repeats(len(self.runs))

    @model_validator(mode="after")
    def _one_size(self) -> "FullArtifact":
        sizes = {len(result.direction) for repeats in self.results.values() for result in repeats.values()}
        if len(sizes) > 1:
            raise ValueError(f"directions of sizes {sorted(sizes)}, expected one size")
        return self

    def origin(self, name: str) -> ReplaySource:
        """Everything is in the file; only the commit may be missing."""
        model = self.model_key.replace("-", "")
        settings: dict[str, Value] = {"model_id": self.model_id, "site": f"resid_post@{self.layer_idx}"}
        settings |= {"strength": self.multiplier, "commit": self.git_commit or "not stored"}
        caveats = () if self.git_commit else (f"{model}: the commit of the code is not stored",)
        return ReplaySource(
            model, self.timestamp_utc, settings, caveats + off_protocol(model, self.layer_idx, self.multiplier)
        )
