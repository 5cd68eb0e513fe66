"""F5: source x target, detection beside control."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from reports.page.exports import Table
from reports.page.finding_part import Part
from reports.verdicts.measured import Measurement, read_measured
from steering_core.models.relations import Relation
from steering_core.records.record import Record, Value

Finite = Annotated[float, Field(allow_inf_nan=False)]
Interval = Annotated[list[Finite], Field(min_length=3, max_length=3)]
"""[value, low, high]."""
Counts = Annotated[list[int], Field(min_length=2, max_length=2)]
"""[successes, n]."""


class Transfer(Measurement):
    """An F5 record."""

    matrix: str
    source: str
    target: str
    cosine: Finite | None
    detection: Interval | None
    efficiency: Interval | None
    limit: str | None = None
    transferred: Counts | None = None
    own: Counts | None = None
    random: Counts | None = None
    ratio: Finite | None = None
    cumulative_ratio: Finite | None = None
    transferred_interval: Annotated[list[Finite], Field(min_length=2, max_length=2)] | None = None

    @property
    def row(self) -> tuple[Value, ...]:
        """Between its model and the last column; empty entries where nothing was measured."""
        hits, prompts = self.transferred or (None, None)
        share = None if hits is None or not prompts else 100 * hits / prompts
        ends = (100 * end for end in self.transferred_interval) if self.transferred_interval else (None, None)
        numbers = (*(self.detection or (None,) * 3), *(self.efficiency or (None,) * 3))
        others = (each[0] if each else None for each in (self.own, self.random))
        rates = (hits, *others, prompts, share, *ends, self.ratio, self.cumulative_ratio)
        return (self.matrix, self.source, self.target, self.cosine, *numbers, *rates)


COLUMNS = (
    *("model", "matrix", "source", "target", "cosine", "AUC", "low", "high", "transfer efficiency", "low", "high"),
    *("steered by source", "by own", "by random", "prompts", "source rate %", "low", "high"),
    *("perturbation ratio at the first steered block", "cumulative ratio", "limit"),
)
RELATIONS = frozenset(Relation)
"""The matrices whose sources and targets are models."""


def tables(records: Sequence[Record]) -> list[Table]:
    """A row per cell; between models also source x target, once for what is detected and once for what is controlled."""
    cells = [read_measured(record, Transfer) for record in records]
    rows = [(record.cell.model, *cell.row, cell.limit) for record, cell in zip(records, cells, strict=True)]
    models = [cell for cell in cells if cell.matrix in RELATIONS]
    detected = {(cell.source, cell.target): cell.detection[0] for cell in models if cell.detection}
    controlled = {(cell.source, cell.target): cell.efficiency[0] for cell in models if cell.efficiency}
    return [
        Table("Transfer of directions (F5)", COLUMNS, tuple(rows)),
        *_matrix("AUC of a source's direction (row) on a target model (column) (F5)", detected),
        *_matrix("Transfer efficiency of a source's direction (row) on a target model (column) (F5)", controlled),
    ]


def _matrix(caption: str, values: Mapping[tuple[str, str], float]) -> list[Table]:
    """values: (source, target) -> number; a table of less than two targets says no more than a list."""
    sources, targets = (list(dict.fromkeys(pair[place] for pair in values)) for place in (0, 1))
    rows = tuple((source, *(values.get((source, target)) for target in targets)) for source in sources)
    return [Table(caption, ("source", *targets), rows)] if len(targets) > 1 else []


PART = Part(
    "F5",
    "Does a direction transfer, in what it detects and in what it controls?",
    "A direction that was taken from the source: other prompts, or another model at its own tested block. AUC on the "
    "target's held-out prompts: what it detects. Transfer efficiency: how many answers it steers, as a share of those of the "
    "target's own direction, with a bootstrap interval; the rate has Wilson's. Perturbation ratios: what is added, as a share of "
    "the mean norm of the activations at the last tokens of the prompts that are steered. A random direction of equal norm is what it "
    "must beat. Between models, strength and blocks are the target's, and different hidden sizes give no number.",
    tables,
    Transfer,
)
