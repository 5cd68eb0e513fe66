"""This suite's rules for one cell: rounding, a factor, the direction of the worst token.

A result file holds no noise floor and no norms, so each rule takes from the file what comes nearest to what a run of this
suite would measure: where that is less, the rule is blind, and `BLIND` says so.
"""

import math
from dataclasses import dataclass

from reports.engines.cells import Bug, Cell, EngineFile
from steering_core.records.thresholds import AGREE, NORM_SPREAD, REFERENCE_ULPS, band_of_cosine

SPACING = {"float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
"""Of a number near 1, by dtype."""
EQUAL, CLOSE, FACTOR, BETWEEN, DIVERGES, BROKEN, NOTHING = (
    *("equal", "close", "factor", "between", "diverges", "broken"),
    "not compared",
)
WORDS = {
    EQUAL: "the same up to rounding: relative error at most 32 spacings of the dtype",
    CLOSE: "direction agrees (cosine > 0.99 at every token), values differ by more than rounding",
    FACTOR: "the right direction times a constant",
    BETWEEN: "the worst token's cosine is between 0.95 and 0.99",
    DIVERGES: "the worst token's cosine is below 0.95",
    BROKEN: "the two tensors have different shapes or masks",
    NOTHING: "no comparison in the file",
}
"""Judgement -> what it means; in order of their tables."""
WRONG = frozenset({FACTOR, BETWEEN, DIVERGES, BROKEN})
THEIRS = frozenset({"WARN", "FAIL"})
"""Statuses of a cell that does not pass there."""
BLIND = (
    "a factor within {bfloat16:.0%} in bfloat16 ({float16:.1%} in float16, {float32:.0%} in float32) passes: the files hold no noise floor",
    "two tensors that are zero, or copied from the reference, count as equal: the files hold no norms",
    "what the reference declined, or an engine did not return, is judged by nobody",
)


@dataclass(frozen=True)
class Judged:
    """A cell with both judgements. factor: how large the engine's tensor is, the reference's being 1; None if it is about
    as large. Two numbers if the file cannot tell which."""

    file: EngineFile
    name: str
    cell: Cell
    ours: str
    factor: tuple[float, ...] = ()

    @property
    def passes_there(self) -> bool:
        """Whether it passes by their rules."""
        return self.cell.status == "PASS"

    @property
    def bug(self) -> Bug | None:
        """The bug that their file names for this cell."""
        known = self.file.known_bug
        covered = known is not None and (not known.points or self.cell.point in known.points)
        return self.cell.engine_bug or (known if covered and not self.passes_there else None)


def judge_file(file: EngineFile) -> list[Judged]:
    """Every cell of a file; none for the reference's own."""
    if file.is_reference:
        return []
    return [judge_cell(file, name, cell) for name, cell in file.points.items()]


def judge_cell(file: EngineFile, name: str, cell: Cell) -> Judged:
    """One cell by the first rule that says something."""
    if cell.mismatch or (cell.shape_eng is not None and cell.shape_eng != cell.shape_ref):
        return Judged(file, name, cell, BROKEN)
    if cell.cos is None or cell.rel_diff is None:
        return Judged(file, name, cell, NOTHING)
    rounding = allowed_rounding(file.coarser)
    if cell.rel_diff <= rounding and cell.rel_diff <= NORM_SPREAD:
        return Judged(file, name, cell, EQUAL)
    if factors := constant_factors(cell.cos, cell.rel_diff, max(NORM_SPREAD, rounding)):
        return Judged(file, name, cell, FACTOR, factors)
    band = band_of_cosine(1 - (cell.cos if cell.cos_worst_token is None else cell.cos_worst_token))
    if band != "agrees":
        return Judged(file, name, cell, band)
    return Judged(file, name, cell, EQUAL if cell.rel_diff <= rounding else CLOSE)


def allowed_rounding(dtype: str) -> float:
    """The relative error that rounding explains."""
    return REFERENCE_ULPS * SPACING[dtype]


def constant_factors(cosine: float, relative: float, allowed: float) -> tuple[float, ...]:
    """How many times as large as the reference a tensor of the same direction is; () if that is 1 up to `allowed`, or if
    the direction is another.

    |x - r|^2 / |r|^2 = 2 g (1 - c) + (g - 1)^2 for x of g times the norm of r, and cosine c between them.
    """
    angle = max(0.0, 1 - cosine)
    excess = relative**2 - 2 * angle
    if angle >= AGREE or excess <= 0:
        return ()
    root = math.sqrt(angle**2 + excess)
    factors = (1 - angle - root, 1 - angle + root)
    possible = tuple(factor for factor in factors if factor > 0)
    return possible if all(abs(factor - 1) > allowed for factor in possible) else ()


def blind_spots() -> list[str]:
    """What these rules cannot see, in words."""
    percent = {dtype: max(NORM_SPREAD, allowed_rounding(dtype)) for dtype in SPACING}
    return [sentence.format(**percent) for sentence in BLIND]
