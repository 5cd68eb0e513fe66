"""Transfer efficiency from the study's phase 2 files: how well one model's direction steers another."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from pydantic import Field

from reports.study.rates import StudyRates
from steering_core.errors import ArtifactProblem
from steering_core.records.record import Frozen
from steering_core.statistics import Ratio, transfer_efficiency


class End(Frozen):
    """The model that a direction was read from, or the one that it was applied to."""

    model_key: str
    model_id: str
    layer_idx: int
    hidden_dim: int


class Extraction(Frozen):
    """How a direction was read."""

    method: str
    direction_shape: list[int]
    direction_norm_prenorm: float


class Geometry(Frozen):
    """The two models' directions compared; None where their sizes differ."""

    cross_cosine: float | None
    source_norm: float
    target_norm: float
    norm_ratio: float
    dim_match: bool


class TransferFile(Frozen):
    """One transfer or self-control run of phase 2."""

    experiment: Literal["v4_transfer_b1", "v4_transfer_b2"]
    source: End
    target: End
    multiplier: float
    mode: Literal["self_control", "direct_transfer"]
    seed: int | None = None
    git_commit: str
    timestamp_utc: str
    eval_prompt_count: int
    extraction: Extraction
    target_extraction: Extraction | None = None
    geometric: Geometry | None = None
    eval: StudyRates
    elapsed_s: float = Field(ge=0)

    @property
    def refused(self) -> list[bool]:
        """Coherent refusals first: the order does not matter, because each sample is resampled by itself."""
        coherent = self.eval.counts().coherent
        return [True] * coherent + [False] * (self.eval.n_prompts - coherent)


class Transfer(NamedTuple):
    """One row of the table. coherent: refusals with the source's direction; control: with the target's own.

    cosine: between the two models' directions.
    """

    source: str
    target: str
    coherent: int
    control: int
    prompts: int
    efficiency: Ratio
    cosine: float | None


def transfers(files: Sequence[TransferFile]) -> list[Transfer]:
    """Each transfer against the self-control of its target at the same multiplier (the target's)."""
    controls = {(run.target.model_key, run.multiplier): run for run in files if run.mode == "self_control"}
    return [_transfer(run, controls) for run in files if run.mode == "direct_transfer"]


def _transfer(run: TransferFile, controls: dict[tuple[str, float], TransferFile]) -> Transfer:
    source, target = run.source.model_key, run.target.model_key
    if (control := controls.get((target, run.multiplier))) is None:
        sentence = f"no self-control of {target} at {run.multiplier:g}x among the files"
        raise ArtifactProblem("transfer-control", sentence, "name the target's self_control file too")
    coherent, controlled = sum(run.refused), sum(control.refused)
    efficiency = transfer_efficiency(run.refused, control.refused)
    cosine = run.geometric.cross_cosine if run.geometric else None
    return Transfer(source, target, coherent, controlled, run.eval.n_prompts, efficiency, cosine)
