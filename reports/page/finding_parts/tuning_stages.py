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


def tables(records: Sequence[Record]) -> list[Table]:
    """A row per pair, and the counts that it is concluded from."""
    pairs = [read_measured(record, Stages) for record in records]
    rows = [(each.earlier, each.later, *_summary(each)) for each in pairs]
    curves = [row for each in pairs for row in _rows(each, each.coefficients, each.earlier_curve, each.later_curve)]
    layers = [row for each in pairs for row in _rows(each, each.layers, each.earlier_layers, each.later_layers)]
    return [
        Table("Tuning stages (F7)", SUMMARY, tuple(rows)),
        Table("Coefficients in two stages (F7)", ("earlier", "later", "coefficient", *COUNTED), tuple(curves)),
        Table("Layers in two stages (F7)", ("earlier", "later", "layer", *COUNTED), tuple(layers)),
    ]


def _summary(pair: Stages) -> tuple[Value, ...]:
    cliffs = (each[0] if each else None for each in (pair.earlier_cliff, pair.later_cliff))
    kept = ", ".join(map(str, pair.preserved_layers))
    return (pair.earlier_coefficient, pair.later_coefficient, *cliffs, kept)


def _rows(pair: Stages, asked: Sequence[float], before: Counts, after: Counts) -> list[tuple[Value, ...]]:
    counted = zip(asked, before, after, strict=True)
    return [(pair.earlier, pair.later, each, *first[:2], *second) for each, first, second in counted]


PART = Part(
    "F7",
    "What did a further tuning stage change about steering?",
    "Both stages are steered along their own directions at the same coefficients. Steered from: the smallest coefficient at "
    "which half of the answers refuse; a larger one in the later stage is resistance. Cliff: the last coefficient before half "
    "of the answers become garbled in one step. Layers preserved: those that may be the best one in both stages, each at its "
    "stage's own strength, within 95 % intervals.",
    tables,
    Stages,
)
