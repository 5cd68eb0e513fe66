"""The checks behind `python -m parity.verify cosmic`; parity/meta runs them too."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from parity.verify.audit import function_exists, read_audit
from steering_core.compare import cosine
from steering_core.directions import extract_direction, find_selection
from steering_core.directions.scoring.candidates import Candidate, LastTokens, Place, PromptClass
from steering_core.directions.scoring.interventions import Intervention, Stream
from steering_core.directions.selection.arditi import ArditiScore, choose
from steering_core.errors import EmptyMeasurement
from steering_core.localize.capture import read_sites
from steering_core.measure.selection_passes import ModelPasses, divide_prompts, select_direction
from steering_core.models.load import load
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import encode
from steering_core.observe.fault_injection import planted_at
from steering_core.places import PROMPTS
from steering_core.prompts import read_prompts

MODEL = "tiny_qwen2"
PLANTED_BLOCK, PLANTED_NORM, RECOVERED = 3, 30.0, 0.9
VARIANTS = ("cosmic:paper", "cosmic:repo", "cosmic:study")
NO_KL_LIMIT = 1e9
"""A tiny model's harmless prompts move by more than the published limit when any direction is ablated."""


@dataclass(frozen=True)
class Result:
    """outcome: passed, failed or not run. detail: the numbers."""

    name: str
    outcome: str
    detail: str

    @property
    def line(self) -> str:
        """For the terminal."""
        return f"{self.outcome}: {self.name}: {self.detail}"


def judged(name: str, holds: bool, detail: str) -> Result:
    """A check that was run."""
    return Result(name, "passed" if holds else "failed", detail)


class IgnoresInterventions:
    """The defect of the study's published `src/extract.py`: candidates are scored on the unedited model."""

    def __init__(self, inner: ModelPasses) -> None:
        self.inner, self.depth, self.refusal_ids = inner, inner.depth, inner.refusal_ids

    def candidates(self, stream: Stream) -> list[Candidate]:
        """Unchanged."""
        return self.inner.candidates(stream)

    def training(self, prompts: PromptClass) -> LastTokens:
        """Unchanged."""
        return self.inner.training(prompts)

    def validation(self, prompts: PromptClass, intervention: Intervention = ()) -> LastTokens:
        """The unedited prompts, whatever the intervention."""
        return self.inner.validation(prompts)


@cache
def model() -> LoadedModel:
    """A tiny checkpoint that refuses harmful prompts."""
    return load(MODEL)


def passes_of(method: str, harmful: Sequence[str], harmless: Sequence[str], only: Place | None = None) -> ModelPasses:
    """Forward passes on the tiny checkpoint, with the prompts divided as the method does. only: the one candidate."""
    positions, layers = ((only[0],), (only[1],)) if only else ((), ())
    return ModelPasses(model(), divide_prompts(method, harmful, harmless), positions, layers)


def every_function_exists() -> Result:
    """Every row of the table names a function that is there."""
    rows = read_audit()
    missing = [row.function for row in rows if not function_exists(row.function)]
    return judged("functions of the table", not missing, f"{len(rows)} steps, missing: {', '.join(missing) or 'none'}")


def one_candidate_is_dim() -> Result:
    """With one position and one layer, COSMIC is the difference of means of independently read rows, bit for bit."""
    prompts, layer = read_prompts(PROMPTS).premise, model().spec.layer
    site, rows = Site("resid_post", layer), []
    for half in (prompts.harmful, prompts.harmless):
        batch = encode(model().tokenizer, half)
        rows.append(batch.at_last(read_sites(model(), batch, [site])[site]))
    dim = extract_direction("difference_of_means", *rows)
    passes = passes_of("cosmic:study", prompts.harmful, prompts.harmless, (-1, layer))
    chosen = select_direction("cosmic:study", passes).candidate.direction.float()
    detail = f"max |difference| {float((dim - chosen).abs().max()):.3g} at {site}, position -1"
    return judged("one candidate is DIM", torch.equal(dim, chosen), detail)


def planted_direction_is_chosen() -> Result:
    """A vector added to one class at one block is what every variant chooses, at that block or later."""
    prompts, found = read_prompts(PROMPTS).evaluation, []
    vector = torch.randn(model().spec.hidden, generator=torch.Generator().manual_seed(PLANTED_BLOCK))
    vector *= PLANTED_NORM / vector.norm()
    with planted_at(model(), PLANTED_BLOCK, vector, encode(model().tokenizer, prompts[::2])):
        for variant in VARIANTS:
            passes = passes_of(variant, prompts[::2], prompts[1::2])
            chosen = select_direction(variant, passes, kl_limit=NO_KL_LIMIT)
            block = chosen.candidate.layer - (chosen.stream == "resid_pre")
            found.append((variant, cosine(chosen.candidate.direction, vector), block))
    holds = all(similar > RECOVERED and block >= PLANTED_BLOCK for _, similar, block in found)
    words = ", ".join(f"{variant} cosine {similar:.3f} after block {block}" for variant, similar, block in found)
    return judged(f"vector planted at block {PLANTED_BLOCK} is chosen", holds, words)


def study_defect_is_caught() -> Result:
    """Scores that ignore the candidate are refused; without that, the first layer would be chosen."""
    prompts = read_prompts(PROMPTS).premise
    broken = IgnoresInterventions(passes_of("cosmic:study", prompts.harmful, prompts.harmless))
    try:
        chosen = find_selection("cosmic:study")(broken).candidate
    except EmptyMeasurement as problem:
        return judged("score that ignores the candidate", problem.code == "constant-score", str(problem))
    return judged("score that ignores the candidate", False, f"chose layer {chosen.layer}, position {chosen.position}")


def published_selections() -> dict[str, tuple[list[ArditiScore], tuple[int, int]]]:
    """Run -> (its score of every candidate, the published (position, layer)); {} without $STUDY_DATA."""
    folder = Path(os.environ.get("STUDY_DATA", "absent")) / "refusal_direction"
    found = {}
    for run in sorted(folder.glob("*/direction_evaluations.json")):
        rows = json.loads(run.read_text())
        keys = ("position", "layer", "refusal_score", "steering_score", "kl_div_score")
        picked = json.loads(run.with_name("direction_metadata.json").read_text())
        found[run.parent.name] = (
            [ArditiScore(*(row[key] for key in keys)) for row in rows],
            (picked["pos"], picked["layer"]),
        )
    return found


def published_selections_replay() -> Result:
    """The selection rule on the published scores of real models gives the published choices."""
    name, runs = "published selections", published_selections()
    if not runs:
        return Result(name, "not run", "set STUDY_DATA to the folder that holds refusal_direction/")
    equal = {
        key: choose(scores, 1 + max(score.layer for score in scores)) == place for key, (scores, place) in runs.items()
    }
    wrong = ", ".join(key for key, same in equal.items() if not same)
    return judged(
        name, not wrong, f"{sum(equal.values())} of {len(equal)} (position, layer) equal; not: {wrong or 'none'}"
    )


CHECKS: tuple[Callable[[], Result], ...] = (
    every_function_exists,
    one_candidate_is_dim,
    planted_direction_is_chosen,
    study_defect_is_caught,
    published_selections_replay,
)
