"""The strengths at which steering works: a grid first, then both ends by bisection. A pure function of a measurement."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from steering_core.records.thresholds import breaks_down, does_work

Counts = tuple[int, int, int]
"""(coherent, garbled, all answers)."""


@dataclass(frozen=True)
class WorkingBand:
    """low, high: each end as (last strength that fails, first that works) or the reverse; None on an open side, where
    the grid ends within the band. measured: strength -> counts. breaks: the lowest measured strength at which answers
    garble (below 40 % coherent, 40 % garbled). gaps: strengths of the grid inside the band that fail."""

    low: tuple[float | None, float] | None
    high: tuple[float, float | None] | None
    measured: dict[float, Counts]
    breaks: float | None
    gaps: tuple[float, ...]

    @property
    def sentence(self) -> str:
        """For a record."""
        if self.low is None or self.high is None:
            tail = f"; garbled from {self.breaks:g}x" if self.breaks is not None else "; nowhere garbled"
            return f"no multiplier from {min(self.measured):g}x to {max(self.measured):g}x works{tail}"
        ends = f"works from {self.low[1]:g}x to {self.high[0]:g}x"
        fails = [f"{value:g}x" for value in (self.low[0], self.high[1]) if value is not None]
        return f"{ends}, fails at {' and '.join(fails)}" if fails else f"{ends}, the whole range"

    def facts(self) -> dict[str, Any]:
        """For a record."""
        counts = {f"{strength:g}": list(values) for strength, values in sorted(self.measured.items())}
        ends = {"low": list(self.low) if self.low else None, "high": list(self.high) if self.high else None}
        return {**ends, "counts": counts, "breaks": self.breaks, "gaps": list(self.gaps)}


def find_band(measure: Callable[[float], Counts], grid: Sequence[float], resolution: float) -> WorkingBand:
    """The widest run of working strengths on the grid, its ends bisected to `resolution`.

    measure: strength -> counts; asked once per strength. The rate may rise and fall once between two grid points unseen.
    """
    measured: dict[float, Counts] = {}

    def works(strength: float) -> bool:
        measured[strength] = coherent, _, total = measure(strength)
        return does_work(Fraction(coherent, total))

    points = [float(point) for point in sorted(grid)]
    working = [point for point in points if works(point)]
    if not working:
        return WorkingBand(None, None, measured, _breaking(measured), ())
    runs = _runs(points, working)
    run = max(runs, key=len)
    before = [point for point in points if point < run[0]][-1:]
    after = [point for point in points if point > run[-1]][:1]
    low = bisect(works, before[0], run[0], resolution) if before else (None, run[0])
    high = bisect(works, after[0], run[-1], resolution)[::-1] if after else (run[-1], None)
    gaps = tuple(point for point in points if working[0] < point < working[-1] and point not in working)
    return WorkingBand(low, high, measured, _breaking(measured), gaps)  # type: ignore[arg-type]


def _runs(points: Sequence[float], working: Sequence[float]) -> list[list[float]]:
    """The working points in runs of neighbors on the grid."""
    runs: list[list[float]] = [[]]
    for point in points:
        if point in working:
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return runs


def bisect(works: Callable[[float], bool], fails: float, good: float, resolution: float) -> tuple[float, float]:
    """(a strength that fails, one that works), at most `resolution` apart."""
    while abs(good - fails) > resolution:
        middle = (good + fails) / 2
        fails, good = (fails, middle) if works(middle) else (middle, good)
    return fails, good


def _breaking(measured: dict[float, Counts]) -> float | None:
    broken = [
        strength
        for strength, (coherent, garbled, total) in measured.items()
        if breaks_down(Fraction(coherent, total), Fraction(garbled, total))
    ]
    return min(broken, default=None)
