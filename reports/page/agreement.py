"""How far the tools' directions are apart: D2 and D4 records as pairs, worst repeat first."""

from dataclasses import dataclass

from reports.page.exports import Table
from reports.page.measured import number_in, rows_in
from steering_core.records.record import Record, Run
from steering_core.records.thresholds import band_of_cosine

FLOOR = "floor_one_minus_cosine"


@dataclass(frozen=True)
class ToolComparison:
    """Two tools on one model. distance: the largest 1 - cosine over the repeats, of `repeats` many."""

    model: str
    tools: tuple[str, str]
    distance: float
    repeats: int

    @property
    def band(self) -> str:
        """agrees | between | diverges (PROTOCOL §5)."""
        return band_of_cosine(self.distance)


def list_pairs(run: Run) -> list[ToolComparison]:
    """Every measured pair of tools, in the order of the records."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for record in run.records:
        cell, distance = record.cell, number_in(record, "one_minus_cosine")
        if cell.clause == "D2" and cell.tool and cell.other and distance is not None:
            found.setdefault((cell.model, cell.tool, cell.other), []).append(max(distance, 0.0))
    return [ToolComparison(model, (a, b), max(values), len(values)) for (model, a, b), values in found.items()]


def noise_floor(run: Run, model: str) -> float | None:
    """The largest noise floor that a record of the model holds."""
    floors = [number_in(record, FLOOR) for record in run.records if record.cell.model == model]
    return max((floor for floor in floors if floor is not None), default=None)


def agreement_table(run: Run) -> Table:
    """Pairs as rows that can be exported."""
    columns = ("model", "tool", "other", "1 - cosine, worst repeat", "band", "repeats", "noise floor")
    rows = tuple((p.model, *p.tools, p.distance, p.band, p.repeats, noise_floor(run, p.model)) for p in list_pairs(run))
    return Table("Agreement of directions between tools", columns, rows)


def component_records(run: Run) -> list[Record]:
    """D4 records that list components."""
    return [record for record in run.records if record.cell.clause == "D4" and components_of(record)]


def components_of(record: Record) -> list[tuple[int, float]]:
    """[(index, difference), ...], as far as the record holds such pairs."""
    pairs = [item for item in rows_in(record, "top") if isinstance(item, list) and len(item) == 2]
    return [(i, float(d)) for i, d in pairs if isinstance(i, int) and isinstance(d, int | float)]


def component_table(run: Run) -> Table:
    """Components as rows that can be exported."""
    rows = tuple(
        (record.cell.model, record.cell.tool, record.cell.other, index, delta)
        for record in component_records(run) for index, delta in components_of(record)
    )  # fmt: skip
    return Table(
        "Components in which directions differ most", ("model", "tool", "other", "component", "difference"), rows
    )
