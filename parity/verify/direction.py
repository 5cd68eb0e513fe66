"""`python -m parity.verify direction FILE`: whether a saved direction is the canonical one, and if not, what it is."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from parity.verify.causes import Candidate
from steering_core.compare import one_minus_cosine
from steering_core.errors import EmptyMeasurement, UsageProblem
from steering_core.models.sites import Site
from steering_core.records.thresholds import CANONICAL, CANONICAL_NORM

NOWHERE = 2.0


@dataclass(frozen=True)
class Comparison:
    """A saved direction beside the canonical one. error: |saved - canonical| / |canonical|. norms: saved, canonical.

    right: same angle and sign. cause: the sentence that says what the saved direction is."""

    one_minus_cosine: float
    error: float
    norms: tuple[float, float]
    right: bool
    cause: str

    def lines(self, name: str, site: Site) -> list[str]:
        """For the terminal."""
        saved, canonical = self.norms
        numbers = f"cosine {1 - self.one_minus_cosine:.6f} (1 - cos = {self.one_minus_cosine:.3g}), relative error {self.error:.3g}"
        return [
            f"{name} against the canonical direction of {site}: {numbers}",
            self.cause,
            _norm(saved / canonical, saved),
        ]


def compare_direction(saved: Tensor, candidates: Iterable[Candidate], requested: Site, dtype: str) -> Comparison:
    """saved: float64 [hidden]. candidates: the canonical direction first, then what mistakes give. dtype: the model's.

    UsageProblem for a vector of another width."""
    canonical, *others = candidates
    if saved.shape != canonical.direction.shape:
        sentence = f"the saved direction has {len(saved)} components, the model {len(canonical.direction)}"
        raise UsageProblem("direction-width", sentence, "name the model and site that it was extracted from")
    gap = one_minus_cosine(saved, canonical.direction)
    error = float((saved - canonical.direction).norm() / canonical.direction.norm())
    norms = float(saved.norm()), float(canonical.direction.norm())
    allowed = CANONICAL[dtype]
    if gap <= allowed:
        return Comparison(gap, error, norms, True, "It is the canonical direction.")
    return Comparison(gap, error, norms, False, _cause(saved, [canonical, *others], requested, allowed))


def _cause(saved: Tensor, candidates: list[Candidate], requested: Site, allowed: float) -> str:
    """The first candidate that it equals up to sign; if there is none, the nearest one."""
    nearest, smallest = candidates[0], NOWHERE
    for candidate in candidates:
        gap = _gap(saved, candidate.direction)
        away = min(gap, 2 - gap)
        if away <= allowed:
            sign = "" if gap == away else "sign flipped (harmless minus harmful)"
            causes = "; ".join(filter(None, (sign, *candidate.deviations(requested))))
            return f"It is the direction of {candidate.described()}. Cause: {causes}."
        if away < smallest:
            nearest, smallest = candidate, away
    words = f"nearest is {nearest.described()}, |cosine| {1 - smallest:.4f}"
    return (
        f"It is not the canonical direction, and no known mistake gives it ({words}). Check prompts, weights and dtype."
    )


def _gap(saved: Tensor, other: Tensor) -> float:
    """1 - cosine; of a candidate without a direction (equal tokens in both classes), no match."""
    try:
        return one_minus_cosine(saved, other)
    except EmptyMeasurement:
        return 1.0


def _norm(ratio: float, norm: float) -> str:
    if abs(ratio - 1) <= CANONICAL_NORM:
        return f"Its norm is the canonical one's: {norm:.4g}."
    if abs(norm - 1) <= CANONICAL_NORM:
        return f"It has unit length; the canonical one has norm {norm / ratio:.4g}: a coefficient for one is wrong for the other."
    return (
        f"Its norm is {norm:.4g}, {ratio:.4g} times the canonical one's: a coefficient for one is wrong for the other."
    )
