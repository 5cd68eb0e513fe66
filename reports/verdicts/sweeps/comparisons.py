"""Comparisons of two conditions on the same prompts: DIM against COSMIC, and one precision against the full one."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from reports.sweeps.measured import FULL
from reports.verdicts.sweeps.evidence import best_of
from reports.verdicts.sweeps.points import Point
from steering_core.records.record import Frozen
from steering_core.records.thresholds import METHODS_P, is_preserved

PAIR = ("dim", "cosmic")


class MethodComparison(Frozen):
    """DIM against COSMIC on one model, at each depth and strength that both were measured at.

    p: the smallest p-value of Fisher's exact test, corrected by Holm for all these conditions. The test takes the two
    rates as independent; they are of the same prompts, so that it errs towards no difference. better: the method with
    the better best condition, "" if their best conditions are equal.
    """

    model: str
    tool: str
    conditions: int
    disagree: bool
    p: float
    better: str
    sentence: str


class PrecisionComparison(Frozen):
    """One precision against the full one, same model, direction as `origin` says. p: Fisher's exact test, Holm over all.

    cosine: of the direction extracted at this precision with that of the full one.
    """

    model: str
    tool: str
    precision: str
    origin: str
    cosine: float | None
    p: float
    change_pp: float
    sensitive: bool
    sentence: str


def compare_methods(points: Sequence[Point]) -> Iterator[MethodComparison]:
    """One comparison per tool, of one model's conditions; none where no condition was measured with both methods."""
    for tool, group in groupby(sorted(points, key=lambda point: point.tool), lambda point: point.tool):
        of_tool = [point for point in group if point.precision == FULL]
        one, other = ({(p.layer, p.multiplier): p for p in of_tool if p.method == method} for method in PAIR)
        pairs = [(point, other[place]) for place, point in one.items() if place in other]
        if pairs:
            yield _compare(tool, of_tool, pairs)


def _compare(tool: str, points: Sequence[Point], pairs: Sequence[tuple[Point, Point]]) -> MethodComparison:
    values = holm([fisher(*pair) for pair in pairs])
    p, (one, other) = min(zip(values, pairs, strict=True), key=lambda row: row[0])
    best = [best_of(point for point in points if point.method == method) for method in PAIR]
    better = "" if _same(*best) else best_of(best).method
    disagree = p < METHODS_P
    where = f"most at block {one.layer}, {one.multiplier:g}x: {one.coherent} against {other.coherent} of {one.unique} coherent"
    words = "disagree" if disagree else "cannot be told apart"
    prefer = f"; use {better}, whose best condition is better" if better else "; their best conditions are equal"
    sentence = f"DIM and COSMIC {words}, compared at {_counted(len(pairs))} ({where}, p = {p:.2g}){prefer}"
    return MethodComparison(
        model=one.model,
        tool=tool,
        conditions=len(pairs),
        disagree=disagree,
        p=p,
        better=better,
        sentence=sentence,
    )


def _counted(conditions: int) -> str:
    return f"{conditions} condition{'s' * (conditions != 1)}"


def compare_precisions(points: Sequence[Point]) -> Iterator[PrecisionComparison]:
    """Every quantized condition of one model against the full precision of the same tool and origin of the direction."""
    full = {(point.tool, point.origin): point for point in points if point.precision == FULL}
    pairs = [(full[p.tool, p.origin], p) for p in points if p.precision != FULL and (p.tool, p.origin) in full]
    for (base, point), p in zip(pairs, holm([fisher(*pair) for pair in pairs]), strict=True):
        change = 100 * (point.coherent / point.unique - base.coherent / base.unique)
        turned = point.cosine is not None and not is_preserved(point.cosine)
        cosine = "" if point.cosine is None else f", cosine {point.cosine:.3f}"
        counts = f"{base.coherent} -> {point.coherent} of {point.unique} coherent (p = {p:.2g}){cosine}"
        yield PrecisionComparison(
            model=point.model,
            tool=point.tool,
            precision=point.precision,
            origin=point.origin,
            cosine=point.cosine,
            p=p,
            change_pp=change,
            sensitive=turned or p < METHODS_P,
            sentence=f"{point.model} at {point.precision}, {point.origin.replace('_', ' ')}: {counts}",
        )


def fisher(one: Point, other: Point) -> float:
    """Two-sided p-value of Fisher's exact test of two coherent rates."""
    from scipy.stats import fisher_exact

    table = [[point.coherent, point.unique - point.coherent] for point in (one, other)]
    return float(fisher_exact(table).pvalue)


def holm(values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979), in their own order."""
    order = sorted(range(len(values)), key=values.__getitem__)
    corrected, worst = [1.0] * len(values), 0.0
    for rank, index in enumerate(order):
        worst = max(worst, min(1.0, (len(values) - rank) * values[index]))
        corrected[index] = worst
    return corrected


def _same(one: Point, other: Point) -> bool:
    rates = [(point.coherent / point.unique, point.garbled / point.unique) for point in (one, other)]
    return rates[0] == rates[1]
