"""F7: two tuning stages beside each other: curves over the coefficient, rates over the layers."""

from collections.abc import Sequence

from reports.page.exports import Table
from reports.page.finding_part import Finite, Interval, Part
from reports.verdicts.measured import Measurement, read_measured
from steering_core.records.record import Record, Value

Counts = list[list[int]]
"""[refusals, not garbled, all] per coefficient or layer."""


class Stages(Measurement):
    """An F7 record."""

    earlier: str
    later: str
    coefficients: list[Finite]
    layers: list[int]
    earlier_curve: Counts
    later_curve: Counts
    earlier_layers: Counts
    later_layers: Counts
    earlier_ratios: list[Finite] = []
    later_ratios: list[Finite] = []
    earlier_random: Counts = []
    later_random: Counts = []
    earlier_coefficient: Finite | None
    later_coefficient: Finite | None
    earlier_cliff: Interval | None
    later_cliff: Interval | None
    preserved_layers: list[int]


SUMMARY = (
    *("earlier", "later", "steered from, earlier", "steered from, later", "cliff after, earlier", "cliff after, later"),
    "layers preserved",
)
COUNTED = ("refused, earlier", "not garbled, earlier", "refused, later", "not garbled, later", "answers")
RATIOS = ("ratio, earlier", "ratio, later")
RANDOM = ("refused, random, earlier", "refused, random, later")


def tables(records: Sequence[Record]) -> list[Table]:
    """A row per pair, and the counts that it is concluded from."""
    pairs = [read_measured(record, Stages) for record in records]
    rows = [(each.earlier, each.later, *_summary(each)) for each in pairs]
    curves, layers = ([row for each in pairs for row in listed(each)] for listed in (_coefficients, _layers))
    first = ("earlier", "later", "coefficient", *RATIOS, *COUNTED, *RANDOM)
    return [
        Table("Tuning stages (F7)", SUMMARY, tuple(rows)),
        Table("Coefficients in two stages (F7)", first, tuple(curves)),
        Table("Layers in two stages (F7)", ("earlier", "later", "layer", *RATIOS, *COUNTED), tuple(layers)),
    ]


def _summary(pair: Stages) -> tuple[Value, ...]:
    cliffs = (each[0] if each else None for each in (pair.earlier_cliff, pair.later_cliff))
    kept = ", ".join(map(str, pair.preserved_layers))
    return (pair.earlier_coefficient, pair.later_coefficient, *cliffs, kept)


def _coefficients(pair: Stages) -> list[tuple[Value, ...]]:
    number = len(pair.coefficients)
    ratios = _beside(number, pair.earlier_ratios, pair.later_ratios)
    random = _beside(number, *([counts[0] for counts in each] for each in (pair.earlier_random, pair.later_random)))
    rows = zip(pair.coefficients, ratios, pair.earlier_curve, pair.later_curve, random, strict=True)
    return [
        (pair.earlier, pair.later, each, *beside, *first[:2], *second, *refused)
        for each, beside, first, second, refused in rows
    ]


def _layers(pair: Stages) -> list[tuple[Value, ...]]:
    skipped = len(pair.coefficients)
    ratios = _beside(len(pair.layers), pair.earlier_ratios[skipped:], pair.later_ratios[skipped:])
    rows = zip(pair.layers, ratios, pair.earlier_layers, pair.later_layers, strict=True)
    return [(pair.earlier, pair.later, each, *beside, *first[:2], *second) for each, beside, first, second in rows]


def _beside(number: int, earlier: Sequence[float], later: Sequence[float]) -> list[tuple[Value, Value]]:
    """The first values of both stages; of a record without them, none."""
    return list(zip(earlier[:number], later[:number], strict=True)) if earlier else [(None, None)] * number


PART = Part(
    "F7",
    "What did a further tuning stage change about steering?",
    "Both stages are steered along their own directions at the same coefficients. Steered from: the smallest coefficient at "
    "which half of the answers refuse; a larger one in the later stage is resistance, unless its activations are only larger: "
    "ratio, the cumulative perturbation ratio. Random: along a random direction of equal norm. Cliff: the last coefficient before half "
    "of the answers become garbled in one step. Layers preserved: those that may be the best one in both stages, each at its "
    "stage's own strength, within 95 % intervals.",
    tables,
    Stages,
)
