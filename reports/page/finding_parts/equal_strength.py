"""F8: models at equal strength, row by row, and how far apart they are."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from reports.page.exports import Table
from reports.page.finding_part import Finite, Interval, Part
from reports.verdicts.measured import Measurement, read_measured
from steering_core.records.record import Record, Value

Count = Annotated[int, Field(ge=0)]


class Row(Measurement):
    """One model at one strength."""

    scale: str
    combination: str
    model: str
    ratio: Finite
    worst_divergence: Finite
    random_divergence: Finite
    coherent: Count
    low: Finite
    high: Finite
    garbled: Count
    total: Annotated[int, Field(gt=0)]
    random_coherent: Count
    unsteered_coherent: Count
    wrong_way: Count

    @property
    def row(self) -> tuple[Value, ...]:
        """As the table has it; rates in percent."""
        rates = (100 * self.coherent / self.total, 100 * self.low, 100 * self.high, 100 * self.garbled / self.total)
        others = (self.random_coherent, self.unsteered_coherent, 100 * self.wrong_way / self.total)
        strength = (self.ratio, self.worst_divergence, self.random_divergence)
        return (self.scale, self.combination, self.model, *strength, *rates, self.total, *others)


class Gap(Measurement):
    """The cell's model minus the other one: coherent refusals, a proportion with its interval."""

    scale: str
    combination: str
    gap: Interval


class Missing(Measurement):
    """A row that could not be measured."""

    scale: str
    combination: str
    model: str
    reason: str


class Strengths(Measurement):
    """An F8 record."""

    model: str
    beside: str
    table: list[Row]
    missing: list[Missing] = []
    gaps: list[Gap]


COLUMNS = (
    *("equal in", "combination", "model", "cumulative ratio", "worst 5 % of tokens, nats", "the same, random"),
    *("coherent %", "low", "high", "garbled %", "answers", "random direction: coherent", "unsteered: coherent"),
    "moved the wrong way %",
)
DIFFERENCES = ("equal in", "combination", "model", "minus", "points of coherent refusals", "low", "high")


def tables(records: Sequence[Record]) -> list[Table]:
    """Every model once per strength, whatever it is compared with; then the differences."""
    read = [read_measured(record, Strengths) for record in records]
    rows: list[tuple[Value, ...]] = list(dict.fromkeys(row.row for each in read for row in each.table))
    rows.sort(key=lambda row: (str(row[0]), str(row[1])))
    gaps: tuple[tuple[Value, ...], ...] = tuple(
        (gap.scale, gap.combination, each.model, each.beside, *(100 * number for number in gap.gap))
        for each in read
        for gap in each.gaps
    )
    missing = dict.fromkeys(
        (row.scale, row.combination, row.model, row.reason) for each in read for row in each.missing
    )
    return [
        Table("Models at equal strength (F8)", COLUMNS, tuple(rows)),
        Table("Differences of models at equal strength (F8)", DIFFERENCES, gaps),
        Table("Not measured (F8)", ("equal in", "combination", "model", "reason"), tuple(missing)),
    ]


PART = Part(
    "F8",
    "Which model is steered more easily, at equal strength?",
    "Each model is steered along its own difference of means, at its tested block (single) and at all blocks that its preset "
    "steers (uniform, weighted by what each does alone, and orthogonal), on the same prompts. Equal in ratio: the norm of all "
    "that is added is the same share of the activations' mean norm. Equal in divergence: the strongest at which the worst 5 % "
    "of the tokens of the model's own unsteered answers diverge by at most 1 nat. Differences have Tango's 95 % interval for "
    "paired rates. The random directions have the same norms.",
    tables,
    Strengths,
)
