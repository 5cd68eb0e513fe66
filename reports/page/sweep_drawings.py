"""Which figures of sweeps a run has: only what was measured, each with a caption that says the main thing in words."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

from reports.page.behavior import CLASSES, RateSummary
from reports.page.drawing import Drawing
from reports.page.svg import Canvas
from reports.sweeps.families import family_of
from reports.sweeps.measured import (
    Condition,
    LayerPoint,
    Numbers,
    PrecisionPoint,
    SizePoint,
    StrengthBand,
    is_swept,
    read_points,
)
from steering_core.records.record import Run

ORIGINS = {"extracted_again": "re-extracted", "full_applied": "full applied"}
"""Whose direction steers, short enough for the name of a bar."""
Point = TypeVar("Point", bound=Numbers)


def draw_sweeps(canvas: Canvas, run: Run) -> dict[str, list[Drawing]]:
    """Heading -> figures; without sweeps none, and then matplotlib is not imported."""
    if not is_swept(run.records):
        return {}
    layers = read_points(run.records, LayerPoint)
    groups = {
        "Rates against depth": _depths(canvas, layers),
        "Coherent refusals by depth and multiplier": _heat(canvas, layers),
        "COSMIC's direction beside the difference of means": _cosines(canvas, layers),
        "Working band of multipliers": _bands(canvas, read_points(run.records, StrengthBand)),
        "Rates against model size": _sizes(canvas, read_points(run.records, SizePoint)),
        "Rates by precision": _precisions(canvas, read_points(run.records, PrecisionPoint)),
    }
    drawn = {heading: list(drawings) for heading, drawings in groups.items()}
    return {heading: drawings for heading, drawings in drawn.items() if drawings}


def _depths(canvas: Canvas, points: list[LayerPoint]) -> Iterator[Drawing]:
    from reports.page.sweep_figures import draw_depths

    for group in _grouped(points, lambda point: (point.cell.model, point.via, point.method)):
        best = max(group, key=lambda point: (point.coherent, -point.garbled))
        where = f"{best.depth} % depth (block {best.layer}), {best.multiplier:g}x"
        caption = f"{_who(best)}, {best.method}: best at {where}, {_rates(best)}"
        yield Drawing(caption, draw_depths(canvas, group))


def _heat(canvas: Canvas, points: list[LayerPoint]) -> Iterator[Drawing]:
    from reports.page.sweep_figures import draw_heat

    for group in _grouped(points, lambda point: (point.cell.model, point.via)):
        if len({point.multiplier for point in group}) > 1:
            yield Drawing(f"{_who(group[0])}: coherent refusals, %; g: garbled answers, %", draw_heat(canvas, group))


def _cosines(canvas: Canvas, points: list[LayerPoint]) -> Iterator[Drawing]:
    from reports.page.sweep_figures import draw_cosines

    chosen = [point for point in points if point.method == "cosmic"]
    for group in _grouped(chosen, lambda point: (point.cell.model, point.via)):
        best = max(group, key=lambda point: point.cosine_to_dim)
        caption = f"{_who(best)}: largest cosine {best.cosine_to_dim:.3f} at block {best.layer}"
        yield Drawing(caption, draw_cosines(canvas, group))


def _bands(canvas: Canvas, bands: list[StrengthBand]) -> Iterator[Drawing]:
    from reports.page.sweep_figures import draw_band

    for band in bands:
        caption = f"{_who(band)}, {band.method}, from block {band.layer} on: {describe_band(band)}"
        yield Drawing(caption, draw_band(canvas, band))


def _sizes(canvas: Canvas, points: list[SizePoint]) -> Iterator[Drawing]:
    from reports.page.sweep_figures import draw_sizes

    for group in _grouped(points, lambda point: (family_of(point.cell.model), point.via)):
        models = len({point.cell.model for point in group})
        shape = "" if models > 3 else f"; {models} {'size says' if models == 1 else 'sizes say'} little about the shape"
        caption = f"{family_of(group[0].cell.model)} family ({group[0].via}), each at its validated block{shape}"
        yield Drawing(caption, draw_sizes(canvas, group))


def _precisions(canvas: Canvas, points: list[PrecisionPoint]) -> Iterator[Drawing]:
    from reports.page.figures import draw_rates

    for group in _grouped(points, lambda point: (point.cell.model, point.via)):
        others = {point.precision: point for point in group if point.precision != "full"}
        words = [
            f"{name} {p.cosine_to_full:.3f} ({'' if p.preserved else 'not '}preserved)" for name, p in others.items()
        ]
        line = f"; cosine to the full precision's direction: {', '.join(words)}"
        rates = [_as_rates(point) for point in group]
        name = f"precision {group[0].via}"
        yield Drawing(f"{_who(group[0])}{line if words else ''}", draw_rates(canvas, rates, name))


def describe_band(band: StrengthBand) -> str:
    """Between which multipliers steering works, in words."""
    broken = f"; answers break from {band.breaks:g}x" if band.breaks is not None else ""
    if band.low is None or band.high is None:
        return f"no measured multiplier works{broken}"
    fails = [f"{value:g}x" for value in (band.low[0], band.high[1]) if value is not None]
    tail = f", fails at {' and '.join(fails)}" if fails else ", the whole measured range"
    gaps = f", except at {', '.join(f'{gap:g}x' for gap in band.gaps)}" if band.gaps else ""
    return f"works from {band.low[1]:g}x to {band.high[0]:g}x{gaps}{tail}{broken}"


def _as_rates(point: PrecisionPoint) -> RateSummary:
    """For the bars that behavior is drawn with: precision and origin are the two lines of a bar's name."""
    shares = {name: point.percent(name) for name in CLASSES}
    names = (point.cell.model, point.precision, ORIGINS.get(point.origin, point.origin))
    return RateSummary(*names, point.strength, shares, *point.interval("coherent"), point.unique, 1)


def _rates(point: Condition) -> str:
    low, high = point.interval("coherent")
    share = f"{point.percent('coherent'):.0f} % coherent [{low:.0f}, {high:.0f}]"
    return f"{share}, {point.percent('garbled'):.0f} % garbled of {point.unique} prompts"


def _who(point: Numbers) -> str:
    return f"{point.cell.model} ({point.via})"


def _grouped(points: Iterable[Point], key: Callable[[Point], Hashable]) -> list[list[Point]]:
    groups: dict[Hashable, list[Point]] = {}
    for point in points:
        groups.setdefault(key(point), []).append(point)
    return list(groups.values())
