"""The conditions that the records of a sweep hold, each once, with its counts on distinct prompts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

from reports.sweeps.measured import FULL, Counts, StrengthBand, read_as, was_measured
from reports.sweeps.review import ReviewCount
from reports.verdicts.sweeps.bands import Band, Effect, Judged, by_criteria, judge_rates
from reports.verdicts.sweeps.plan import standard
from steering_core.errors import ArtifactProblem
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.record import Cell, Record
from steering_core.records.thresholds import breaks_down, does_work, percent
from steering_core.statistics import wilson_interval

UNREAD, REVIEW_COMMAND = "not read by a person", "python -m reports review DIR"

Where = tuple[str, str, str, int, float, str, str]


@dataclass(frozen=True)
class Point:
    """One condition. tool: "" where the reference steers. depth: percent, known where the sweep is one of depths.

    unique: distinct prompts; greedy repeats of a prompt are one observation. precision, origin: of a W3 record.
    parameters: weights of the model, where recorded. cosine: with the DIM direction, or with the full precision's.
    cell: id of its record. quoted: whether a reader can see its answers. reading: what a person found in them.
    """

    model: str
    tool: str
    clause: str
    method: str
    layer: int
    depth: int | None
    multiplier: float
    coherent: int
    garbled: int
    unique: int
    precision: str = FULL
    origin: str = ""
    parameters: int | None = None
    cosine: float | None = None
    cell: str = ""
    quoted: bool = False
    reading: ReviewCount | None = None

    @cached_property
    def judged(self) -> Judged:
        """Its band; a person who reads its answers can take "works" away from it."""
        return judge_rates(*self.shares)

    @cached_property
    def shares(self) -> tuple[Fraction, Fraction]:
        """(coherent, garbled), after what a person read: where the reader's class of a text shown is not the
        classifier's, it replaces it, and the rest of the condition is taken to change alike."""
        coherent, garbled = (percent(count, self.unique) / 100 for count in (self.coherent, self.garbled))
        if self.reading is None:
            return coherent, garbled
        changes = (Fraction(n, self.reading.shown) for n in (self.reading.coherent_change, self.reading.garbled_change))
        coherent, garbled = (min(max(share + next(changes), Fraction(0)), Fraction(1)) for share in (coherent, garbled))
        return coherent, garbled

    @property
    def refuted(self) -> bool:
        """Whether it works by the classifier alone."""
        return does_work(Fraction(self.coherent, self.unique)) and self.judged.band is not Band.WORKS

    @property
    def by_eye(self) -> str:
        """What a person says of it; "" for a condition that nobody needs to read, because it does not work."""
        if self.reading is not None and self.reading.read:
            return f"by eye: {self.reading.words}"
        if self.judged.band is not Band.WORKS:
            return ""
        return f"{UNREAD}: {REVIEW_COMMAND if self.quoted else 'the answers were not kept'}"

    @cached_property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the coherent rate, as proportions."""
        return wilson_interval(self.coherent, self.unique)

    @property
    def certain(self) -> bool:
        """Whether the 95 % interval, of the garbled rate too where it decides, lies wholly in the band."""
        low, high = wilson_interval(round(self.shares[0] * self.unique), self.unique)
        ends = {by_criteria(Fraction(end)) for end in (low, high)}
        if self.judged.effect is not Effect.GARBLES:
            return ends == {self.judged.band}
        garbled, _ = wilson_interval(round(self.shares[1] * self.unique), self.unique)
        return ends == {Band.FAILS} or breaks_down(Fraction(high), Fraction(garbled))

    @property
    def where(self) -> Where:
        """What makes it the condition that it is, whichever check holds it."""
        origin = "" if self.precision == FULL else self.origin  # at full precision, both directions are its own
        return self.model, self.tool, self.method, self.layer, self.multiplier, self.precision, origin

    @property
    def place(self) -> str:
        """`dim, block 16 (60 %), 15x`."""
        depth = f" ({self.depth} %)" if self.depth is not None else ""
        precision = f", {self.precision}" if self.precision != FULL else ""
        return f"{self.method}, block {self.layer}{depth}, {self.multiplier:g}x{precision}"

    @property
    def rates(self) -> str:
        """`10 of 10 coherent [72.2, 100.0] %, 0 garbled`."""
        low, high = (100 * end for end in self.interval)
        return f"{self.coherent} of {self.unique} coherent [{low:.1f}, {high:.1f}] %, {self.garbled} garbled"


def is_sweep(cell: Cell) -> bool:
    """Whether the cell belongs to a sweep."""
    return CLAUSES[cell.clause].stage is Stage.SWEEP


def is_beside(cell: Cell) -> bool:
    """Whether the cell is of another experiment: neither of a sweep nor about the evidence of the run itself."""
    return CLAUSES[cell.clause].stage not in (Stage.SWEEP, Stage.EVIDENCE)


def read_points(records: Sequence[Record], reviews: Mapping[Cell, ReviewCount] | None = None) -> tuple[Point, ...]:
    """Every condition of every measured record; two checks may hold the same condition, see `distinct`.

    reviews: what a person found in the answers, by cell; it holds for every check of the same condition.
    """
    swept = (record for record in records if is_sweep(record.cell) and was_measured(record))
    read = {} if reviews is None else {cell.id: count for cell, count in reviews.items()}
    points = tuple(point for record in swept for point in _read(record))
    for point in points:
        if point.coherent + point.garbled > point.unique:
            sentence = (
                f"{point.clause} of {point.model} at {point.place} has {point.coherent} coherent and {point.garbled}"
            )
            hint = "classes add up to at most all distinct prompts"
            raise ArtifactProblem("impossible-counts", f"{sentence} garbled answers to {point.unique} prompts", hint)
    return _with_readings(points, read)


def _with_readings(points: Sequence[Point], read: Mapping[str, ReviewCount]) -> tuple[Point, ...]:
    """Each condition with what was found in its answers; of several readings, the one that takes most away."""
    found: dict[Where, list[ReviewCount]] = {}
    for point in points:
        if point.quoted and point.cell in read:
            found.setdefault(point.where, []).append(read[point.cell])
    quoted = {point.where for point in points if point.quoted}
    worst = {
        where: min(counts, key=lambda count: (count.coherent_change, -count.read)) for where, counts in found.items()
    }
    return tuple(replace(point, quoted=point.where in quoted, reading=worst.get(point.where)) for point in points)


def distinct(points: Iterable[Point]) -> tuple[Point, ...]:
    """Each condition once: the sweep of depths names the depth of a condition, the others repeat it."""
    first: dict[Where, Point] = {}
    for point in sorted(points, key=lambda point: point.clause):
        first.setdefault(point.where, point)
    return tuple(first.values())


def _read(record: Record) -> Iterator[Point]:
    if record.cell.clause == "W4":
        yield from _read_grid(read_as(record, StrengthBand))
        return
    read = read_as(record, Counts)
    point = Point(
        model=read.cell.model,
        tool=read.cell.tools,
        clause=read.cell.clause,
        method=read.method,
        layer=read.layer,
        depth=read.depth,
        multiplier=standard() if read.multiplier is None else read.multiplier,
        coherent=read.coherent,
        garbled=read.garbled,
        unique=read.unique,
        precision=read.precision,
        origin=read.origin,
        parameters=read.parameters,
        cosine=read.cosine_to_full if read.cell.clause == "W3" else read.cosine_to_dim,
        cell=read.cell.id,
        quoted=bool(read.samples),
    )
    yield point
    for layer, (coherent, garbled, _) in read.validation.items():
        validated = replace(point, method="dim", layer=int(layer), parameters=None, cosine=None, quoted=False)
        yield replace(validated, coherent=coherent, garbled=garbled)


def _read_grid(grid: StrengthBand) -> Iterator[Point]:
    cell = grid.cell
    for multiplier, (coherent, garbled, total) in grid.points:
        where = (cell.model, cell.tools, cell.clause, grid.method, grid.layer, None, multiplier)
        yield Point(*where, coherent=coherent, garbled=garbled, unique=total, cell=cell.id)
