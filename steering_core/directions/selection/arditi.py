"""Arditi et al. 2024, section 2.3 and appendix C: the candidate whose ablation bypasses refusal most, among those whose
addition induces it and whose ablation leaves harmless prompts alone."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steering_core.directions.scoring.candidates import Candidate, ForwardPasses, Place, Selection, at_place
from steering_core.directions.scoring.interventions import ablation, addition
from steering_core.directions.scoring.next_token import divergences, refusal_scores
from steering_core.errors import EmptyMeasurement

if TYPE_CHECKING:
    from torch import Tensor

LAST_LAYER_SHARE = 0.8
"""Candidates of the last fifth of the blocks are dropped: layer < int(0.8 * blocks)."""
KL_LIMIT = 0.1
"""Nats; a candidate whose ablation moves harmless prompts further is dropped."""
INDUCE_LIMIT = 0.0
"""A candidate whose addition gives a lower refusal score on harmless prompts is dropped."""


@dataclass(frozen=True)
class ArditiScore:
    """bypass: mean refusal score of harmful prompts under ablation. induce: that of harmless prompts under addition.
    kl: mean divergence of harmless prompts under ablation, nats."""

    position: int
    layer: int
    bypass: float
    induce: float
    kl: float

    def survives(self, depth: int, kl_limit: float = KL_LIMIT) -> bool:
        """Whether no filter drops it. depth: number of blocks."""
        if any(map(math.isnan, (self.bypass, self.induce, self.kl))):
            return False
        return self.layer < int(LAST_LAYER_SHARE * depth) and self.kl <= kl_limit and self.induce >= INDUCE_LIMIT


def choose(scores: Iterable[ArditiScore], depth: int, kl_limit: float = KL_LIMIT) -> Place:
    """The lowest bypass score among the survivors, the first of equals; EmptyMeasurement when nothing survives."""
    survivors = [score for score in scores if score.survives(depth, kl_limit)]
    if not survivors:
        limits = f"layer < {int(LAST_LAYER_SHARE * depth)}, KL <= {kl_limit}, induce >= {INDUCE_LIMIT}"
        raise EmptyMeasurement("no-survivor", "every candidate is dropped by a filter", f"required: {limits}")
    best = min(survivors, key=lambda score: score.bypass)
    return best.position, best.layer


def arditi(passes: ForwardPasses, kl_limit: float = KL_LIMIT) -> Selection:
    """Score every candidate on the validation prompts, three forwards each, and choose.

    kl_limit: in tiny models the ablation of any direction moves harmless prompts further than in the published ones.
    """
    candidates = passes.candidates("resid_pre")
    baseline = passes.validation("harmless").logits
    scores = tuple(_score(passes, candidate, baseline) for candidate in candidates)
    place = choose(scores, passes.depth, kl_limit)
    survivors = sum(score.survives(passes.depth, kl_limit) for score in scores)
    notes = {"refusal_ids": list(passes.refusal_ids), "kl_limit": kl_limit, "survivors": survivors}
    return Selection("arditi", "resid_pre", at_place(candidates, place), scores, notes)


def _score(passes: ForwardPasses, candidate: Candidate, baseline: "Tensor") -> ArditiScore:
    """baseline: logits of the harmless validation prompts, [prompts, vocabulary]."""
    position, layer = candidate.place
    without = ablation(candidate.direction, "every_write", passes.depth, ("resid_pre", layer))
    added = addition(candidate.direction, "resid_pre", layer)
    bypassed = refusal_scores(passes.validation("harmful", without).logits, passes.refusal_ids)
    induced = refusal_scores(passes.validation("harmless", added).logits, passes.refusal_ids)
    moved = divergences(baseline, passes.validation("harmless", without).logits)
    return ArditiScore(position, layer, float(bypassed.mean()), float(induced.mean()), float(moved.mean()))
