"""The edits with which the checks ask for each mode, for ranges of positions and features, and for streams inside blocks."""

from collections.abc import Sequence

from torch import Tensor

from steering_core.models.sites import Site
from steering_core.tools.edits import Ablate, Add, Affine, Edit, Interpolate, Scale, Set, Span

WEIGHT, FACTOR = 0.25, 1.5
"""Of the vector in an interpolation; of the stream in a scaling. Neither is what a wrong tool would make of the other."""


INNER_KINDS = {
    "zero": ("add",),
    "add": ("add",),
    "ablate": ("ablate",),
    "modes": ("set", "scale", "interpolate", "affine"),
}
"""Kind of edits inside blocks -> the modes that they are of."""


def edits_inside(kind: str, sites: Sequence[Site], direction: Tensor, other: Tensor, strength: float) -> list[Edit]:
    """The edits of one of the `INNER_KINDS`, at the first and the last of the sites.

    direction, other: float32 [hidden], unit vectors that point in different ways; strength: the preset's.
    """
    first, last = sites[0], sites[-1]
    edits: dict[str, list[Edit]] = {
        "zero": [Add(first, direction * 0, strength), Add(last, direction * 0, strength)],
        "add": [Add(first, direction, strength), Add(last, other, strength)],
        "ablate": [Ablate(first, direction), Ablate(last, other)],
        "modes": [
            Set(first, other * strength, "prefill"),
            Scale(first, FACTOR, "decode"),
            Interpolate(last, direction * strength, WEIGHT, "prefill"),
            Affine(last, other * strength, direction * strength, 1.0, "decode"),
        ],
    }
    return edits[kind]


def ablations_of(kind: str, sites: Sequence[Site], direction: Tensor, reference: Tensor) -> list[Edit]:
    """The edits that take a direction out of the stream, at each of the sites.

    kind: "ablate"; "affine", which puts the reference point's component in its place; or "ablate-positions" and
    "ablate-features", for some tokens or features only. direction, reference: float32 [hidden].
    """
    if kind == "affine":
        return [Affine(site, direction, reference, 0.0) for site in sites]
    if kind == "ablate-positions":
        return [Ablate(site, direction, positions=span) for site in sites for span in (Span(1, -2), Span(-1))]
    features = Span(1, len(direction) // 2) if kind == "ablate-features" else None
    return [Ablate(site, direction, features=features) for site in sites]


def edits_in_mode(mode: str, sites: Sequence[Site], direction: Tensor, other: Tensor) -> list[Edit]:
    """The edits of one mode, at the first and the last of the sites.

    mode: "identity" (what must change nothing), "set", "scale", "interpolate", "affine", "positions" or "features".
    direction, other: float32 [hidden], of the preset's strength; the other one points elsewhere.
    """
    first, last, half = sites[0], sites[-1], len(direction) // 2
    edits: dict[str, list[Edit]] = {
        "identity": [Scale(first, 1.0), Interpolate(first, other, 0.0)],
        "set": [Set(first, other, "prefill"), Set(last, direction, "decode")],
        "scale": [Scale(first, FACTOR), Scale(last, -FACTOR, "decode")],
        "interpolate": [Interpolate(first, other, WEIGHT), Interpolate(last, direction, -WEIGHT, "prefill")],
        "affine": [Affine(first, direction, other, 1.0), Affine(last, other, direction, 0.0, "decode")],
        "positions": [
            Add(first, direction, 1.0, positions=Span(1, 3)),
            Add(first, other, 1.0, positions=Span(-1)),
            Add(last, other, 1.0, "prefill", positions=Span(2)),
            Add(last, direction, 1.0, positions=Span(-4, -2)),
        ],
        "features": [
            Add(first, direction, 1.0, features=Span(1, half)),
            Add(last, other, 1.0, features=Span(-3)),
        ],
    }
    return edits[mode]
