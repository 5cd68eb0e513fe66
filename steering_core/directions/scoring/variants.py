"""The ways in which the sources run COSMIC, as named options; `python -m parity.verify cosmic` explains each."""

from dataclasses import dataclass

from steering_core.directions.scoring.cosines import Aggregation
from steering_core.directions.scoring.interventions import AblationScope, Stream
from steering_core.errors import UsageProblem


@dataclass(frozen=True)
class Variant:
    """stream: where candidates are read and added. unit: candidates have norm 1. split: scored on other prompts than
    they are made from. first_layer, scored_share: scored layers are first_layer <= layer < int(scored_share * blocks).
    kept_share: of those, layer < int(kept_share * blocks) can be chosen. affine: affine concept editing at the candidate's
    site, in place of ablation and addition. last_position_rule: see `cosmic.last_position_limit`."""

    name: str
    stream: Stream
    aggregation: Aggregation
    ablation: AblationScope
    unit: bool = False
    split: bool = True
    affine: bool = False
    first_layer: int = 0
    scored_share: float = 1.0
    kept_share: float = 1.0
    kl_limit: float | None = None
    last_position_rule: bool = False

    def considers(self, layer: int, depth: int) -> bool:
        """Whether candidates of this layer are scored."""
        return self.first_layer <= layer < int(self.scored_share * depth)

    def keeps(self, layer: int, depth: int) -> bool:
        """Whether a scored candidate of this layer can be chosen."""
        return layer < int(self.kept_share * depth)


_REPO = {"kept_share": 0.8, "kl_limit": 0.1, "last_position_rule": True}
VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("paper", "resid_pre", "mean_then_cosine", "stream", unit=True),
        Variant("repo", "resid_pre", "mean_then_cosine", "every_write", **_REPO),  # type: ignore[arg-type]
        Variant("repo_affine", "resid_pre", "mean_then_cosine", "own_layer", affine=True, **_REPO),  # type: ignore[arg-type]
        Variant(
            "study", "resid_post", "pairwise", "own_layer", unit=True, split=False, first_layer=1, scored_share=0.8
        ),
    )
}
"""paper: as the study's audit quotes it. repo: its code, `--affine_steering false`; repo_affine: with its default, true.
study: the audited, unpublished `cosmic_real.py`."""


def find_variant(name: str) -> Variant:
    """UsageProblem for an unknown name."""
    if name not in VARIANTS:
        raise UsageProblem("cosmic-variant", f"unknown COSMIC variant {name!r}", f"known: {', '.join(VARIANTS)}")
    return VARIANTS[name]
