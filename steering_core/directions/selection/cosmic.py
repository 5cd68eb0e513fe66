"""COSMIC (Siu et al. 2025, Findings of ACL, candidate generation and selection sections): the candidate whose ablation
makes harmful prompts most like harmless ones, and whose addition makes harmless ones most like harmful ones, where the
classes differ most. No output token is looked at."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median_low
from typing import TYPE_CHECKING, Any

from steering_core.directions.scoring.candidates import Candidate, ForwardPasses, Place, Selection, at_place
from steering_core.directions.scoring.cosines import layer_similarities, lowest_layers, similarity
from steering_core.directions.scoring.interventions import Intervention, ablation, addition, affine
from steering_core.directions.scoring.next_token import divergences
from steering_core.directions.scoring.variants import VARIANTS, Variant, find_variant
from steering_core.errors import EmptyMeasurement

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["VARIANTS", "CosmicScore", "choose", "cosmic", "survives"]


@dataclass(frozen=True)
class CosmicScore:
    """comply: cosine of ablated harmful and natural harmless prompts. refuse: cosine of harmless prompts with the
    direction added and natural harmful ones. kl: nats on harmless prompts under ablation; None if the variant has no
    such filter."""

    position: int
    layer: int
    comply: float
    refuse: float
    kl: float | None = None

    @property
    def total(self) -> float:
        """What is maximized."""
        return self.comply + self.refuse


@dataclass(frozen=True, eq=False)
class _Natural:
    """The unedited validation prompts. harmful, harmless: [prompts, L_low, hidden]; logits: of the harmless ones."""

    layers: tuple[int, ...]
    harmful: "Tensor"
    harmless: "Tensor"
    logits: "Tensor"


def cosmic(passes: ForwardPasses, variant: str = "paper", kl_limit: float | None = None) -> Selection:
    """Score every candidate on the validation prompts, two forwards each (three with a KL filter), and choose.

    kl_limit: in place of the variant's, if it has one (see `arditi`).
    """
    options = find_variant(variant)
    if kl_limit is not None and options.kl_limit is not None:
        options = replace(options, kl_limit=kl_limit)
    candidates = [each for each in passes.candidates(options.stream) if options.considers(each.layer, passes.depth)]
    natural = _natural(passes, options)
    scores = tuple(_score(passes, options, candidate, natural) for candidate in candidates)
    check_scores_differ(scores)
    place = choose(scores, passes.depth, options)
    notes: dict[str, Any] = {"variant": asdict(options), "evaluated_layers": list(natural.layers)}
    return Selection(f"cosmic:{variant}", options.stream, at_place(candidates, place), scores, notes)


def choose(scores: Sequence[CosmicScore], depth: int, options: Variant) -> Place:
    """The highest total among the survivors, the first of equals; EmptyMeasurement when nothing survives."""
    limit = last_position_limit(scores) if options.last_position_rule else math.inf
    survivors = [score for score in scores if survives(score, depth, options, limit)]
    if not survivors:
        sentence = f"every candidate is dropped by a filter of COSMIC's variant {options.name}"
        raise EmptyMeasurement("no-survivor", sentence, "more layers or prompts, or a variant without filters")
    best = max(survivors, key=lambda score: score.total)
    return best.position, best.layer


def survives(score: CosmicScore, depth: int, options: Variant, limit: float = math.inf) -> bool:
    """Whether no filter drops a candidate. limit: the last layer that position -1 may come from."""
    if math.isnan(score.total) or not options.keeps(score.layer, depth):
        return False
    if options.kl_limit is not None and (score.kl is None or not score.kl <= options.kl_limit):
        return False
    return score.position != -1 or score.layer <= limit


def last_position_limit(scores: Sequence[CosmicScore]) -> float:
    """The repository's undocumented rule: at position -1, a candidate is dropped if its layer is beyond the median peak
    of both scores, each position's peak taken over the other positions. Infinite without other positions."""
    positions = sorted({score.position for score in scores} - {-1})
    if not positions:
        return math.inf
    comply = [_peak([(s.comply, s.layer) for s in scores if s.position == position]) for position in positions]
    refuse = [_peak([(s.refuse, s.layer) for s in scores if s.position == position]) for position in positions]
    return max(median_low(comply), median_low(refuse))


def _peak(values: Sequence[tuple[float, int]]) -> int:
    """(score, layer) pairs -> the layer of the highest score, the first of equals; NaN is lowest."""
    return max(values, key=lambda pair: (-math.inf if math.isnan(pair[0]) else pair[0], -pair[1]))[1]


def check_scores_differ(scores: Sequence[CosmicScore]) -> None:
    """EmptyMeasurement when every candidate has one and the same score: then the score ignores the candidate, and the
    first one, whatever it is, would be chosen (the study's published `src/extract.py` does this)."""
    if len(scores) > 1 and len({(score.comply, score.refuse) for score in scores}) == 1:
        sentence = f"all {len(scores)} candidates have the same score, so the score ignores the candidate"
        raise EmptyMeasurement("constant-score", sentence, "check that interventions reach the model")


def _natural(passes: ForwardPasses, options: Variant) -> _Natural:
    training = [passes.training(name).outputs for name in ("harmful", "harmless")]
    layers = lowest_layers(layer_similarities(training[0], training[1], options.aggregation))
    harmful, harmless = passes.validation("harmful"), passes.validation("harmless")
    return _Natural(layers, harmful.at(layers), harmless.at(layers), harmless.logits)


def _score(passes: ForwardPasses, options: Variant, candidate: Candidate, natural: _Natural) -> CosmicScore:
    without, added = _interventions(options, candidate, passes.depth)
    ablated = passes.validation("harmful", without).at(natural.layers)
    induced = passes.validation("harmless", added).at(natural.layers)
    comply = similarity(ablated, natural.harmless, options.aggregation)
    refuse = similarity(induced, natural.harmful, options.aggregation)
    kl = None
    if options.kl_limit is not None:
        kl = float(divergences(natural.logits, passes.validation("harmless", without).logits).mean())
    return CosmicScore(candidate.position, candidate.layer, comply, refuse, kl)


def _interventions(options: Variant, candidate: Candidate, depth: int) -> tuple[Intervention, Intervention]:
    """(what removes the concept, what induces it)."""
    vector, stream, layer = candidate.direction, options.stream, candidate.layer
    if options.unit:
        vector = vector / vector.norm().clamp(min=1e-8)
    if options.affine:
        harmless = candidate.harmless
        return affine(vector, harmless, stream, layer), affine(vector, harmless, stream, layer, induce=True)
    return ablation(vector, options.ablation, depth, (stream, layer)), addition(vector, stream, layer)
