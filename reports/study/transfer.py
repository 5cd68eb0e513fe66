"""Transfer efficiency from the study's phase 2 files: how well one model's direction steers another."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from pydantic import Field

from reports.study.files import Cosine
from reports.study.rates import PromptCount, StudyRates
from reports.untrusted import plain
from steering_core.errors import ArtifactProblem
from steering_core.records.record import Frozen
from steering_core.statistics import Ratio, transfer_efficiency


class End(Frozen):
    """The model that a direction was read from, or the one that it was applied to."""

    model_key: str
    model_id: str
    layer_idx: int = Field(ge=0)
    hidden_dim: int


class Extraction(Frozen):
    """How a direction was read."""

    method: str
    direction_shape: list[int]
    direction_norm_prenorm: float


class Geometry(Frozen):
    """The two models' directions compared; None where their sizes differ."""

    cross_cosine: Cosine | None
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
    eval_prompt_count: PromptCount
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


class NamedFile(NamedTuple):
    """A phase 2 file and its name."""

    name: str
    run: TransferFile


def transfers(files: Sequence[NamedFile]) -> list[Transfer]:
    """Each transfer against the self-control of its target at the same multiplier (the target's).

    ArtifactProblem without any transfer, without a control, and for two controls that contradict each other.
    """
    controls = [file for file in files if file.run.mode == "self_control"]
    rows = [_transfer(file.run, _find_control(file, controls)) for file in files if file not in controls]
    if not rows:
        targets = ", ".join(sorted({plain(file.run.target.model_key, 40) for file in controls}))
        sentence = f"only self-controls (of {targets}) and no transfer"
        raise ArtifactProblem("transfer-missing", sentence, "name a direct_transfer file to one of these models too")
    return rows


def _find_control(file: NamedFile, controls: Sequence[NamedFile]) -> TransferFile:
    """The control of a transfer: of its own seed if there is one, else of any."""
    target, multiplier = file.run.target.model_key, file.run.multiplier
    fitting = [c for c in controls if (c.run.target.model_key, c.run.multiplier) == (target, multiplier)]
    fitting = [c for c in fitting if c.run.seed == file.run.seed] or fitting
    if not fitting:
        sentence = f"no self-control of {plain(target, 40)} at {multiplier:g}x among the files"
        raise ArtifactProblem("transfer-control", sentence, "name the target's self_control file too")
    first = fitting[0]
    for other in fitting[1:]:
        if other.run.eval.counts() != first.run.eval.counts():
            names = f"{plain(first.name, 100)} and {plain(other.name, 100)}"
            sentence = f"{names} are self-controls of {plain(target, 40)} at {multiplier:g}x with different rates"
            raise ArtifactProblem("transfer-control", sentence, "name the one that the transfer belongs to")
    return first.run


def _transfer(run: TransferFile, control: TransferFile) -> Transfer:
    source, target = run.source.model_key, run.target.model_key
    coherent, controlled = sum(run.refused), sum(control.refused)
    efficiency = transfer_efficiency(run.refused, control.refused)
    cosine = run.geometric.cross_cosine if run.geometric else None
    return Transfer(source, target, coherent, controlled, run.eval.n_prompts, efficiency, cosine)
