"""The curves in the records of a sweep: over depths for each model, over sizes for each family."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from reports.verdicts.sweeps.curves import Shape, shape_of, shape_probabilities
from reports.verdicts.sweeps.evidence import SweepEvidence
from reports.verdicts.sweeps.plan import family_of
from reports.verdicts.sweeps.points import Point
from reports.verdicts.sweeps.section import Curve
from steering_core.records.thresholds import LEVEL, TOLD_APART

Key = Callable[[Point], tuple[str, str, str, float]]
MENTIONED = 0.05
"""Shapes below this posterior probability are not named in a sentence."""
ONE_PEAK, NO_PEAK = "a peak or valley rests on one point alone", "two points cannot show a peak"


def list_curves(evidence: SweepEvidence) -> Iterator[Curve]:
    """Sizes first, then depths; a curve has at least two points. Models of random weights have none."""
    yield from _group(
        (point for points in evidence.sizes.values() for point in points),
        "size",
        lambda point: (family_of(point.model), point.tool, point.method, point.multiplier),
    )
    swept = (point for point in evidence.points if point.clause == "W1" and point.model not in evidence.random)
    yield from _group(swept, "depth", lambda point: (point.model, point.tool, point.method, point.multiplier))


def _group(points: Iterable[Point], kind: str, key: Key) -> Iterator[Curve]:
    ordered = sorted(points, key=key)
    for names, group in groupby(ordered, key):
        places: dict[int, Point] = {}
        for point in sorted(group, key=lambda point: (_position(point, kind), point.depth or 0)):
            places.setdefault(_position(point, kind), point)
        if len(places) > 1:
            yield _curve(kind, names, list(places.values()))


def _position(point: Point, kind: str) -> int:
    return point.layer if kind == "depth" else point.parameters or 0


def _curve(kind: str, names: tuple[str, str, str, float], points: Sequence[Point]) -> Curve:
    subject, tool, method, multiplier = names
    counts = [(point.coherent, point.unique) for point in points]
    observed = shape_of([coherent / total for coherent, total in counts])
    shares = {shape: share for shape, share in shape_probabilities(counts).items() if share >= 0.01}
    likeliest, share = next(iter(shares.items()))
    shape = likeliest if share >= TOLD_APART else None
    labels = [_label(point) if kind == "depth" else point.model for point in points]
    return Curve(
        kind=kind,
        subject=subject,
        tool=tool,
        method=method,
        multiplier=multiplier,
        points=dict(zip(labels, counts, strict=True)),
        observed=observed,
        probabilities={name: round(value, 3) for name, value in shares.items()},
        shape=shape,
        sentence=f"{_title(kind, names, len(points))}: {_describe(observed, shape, shares, len(points))}",
    )


def _label(point: Point) -> str:
    return f"block {point.layer}" if point.depth is None else f"{point.depth} %"


def _title(kind: str, names: tuple[str, str, str, float], points: int) -> str:
    subject, tool, method, multiplier = names
    of_tool = f" through {tool}" if tool else ""
    return f"{subject}{of_tool}, {method} {multiplier:g}x over {points} {kind}s"


def _describe(observed: Shape, shape: Shape | None, shares: dict[Shape, float], points: int) -> str:
    """Every likely shape with its share, and what so few points cannot show."""
    likely = ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items() if share >= MENTIONED)
    few = {2: f"; {NO_PEAK}", 3: f"; {ONE_PEAK}"}.get(points, "")
    if shape is not None:
        return f"{shape} ({likely.removeprefix(f'{shape} ')}){few}"
    return f"{observed} by points alone; the answers leave open {likely}{few}"


LEVEL_NOTE = (
    f"differences up to {100 * LEVEL:.0f} pp count as level; a shape needs {100 * TOLD_APART:.0f} % of the posterior"
)
