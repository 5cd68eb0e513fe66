"""Model x tool x clause as a grid of squares; a square holds every record it stands for."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from reports.page.exports import Table
from reports.page.measured import LOCALIZED, numbers_of
from reports.page.words import STAGES
from reports.run.cell_grid import WORST_FIRST
from reports.verdicts.commands import repeat_command
from steering_core.records.clauses import CLAUSES, Clause
from steering_core.records.record import Cell, Outcome, Plan, Record, Run, Value

LISTED = 3


@dataclass(frozen=True)
class Square:
    """One position of the grid: a tool, a pair of tools, or the model itself, under one clause; worst record first."""

    who: str
    records: tuple[Record, ...]
    plan: Plan

    @property
    def outcome(self) -> Outcome:
        """The worst outcome here; a planned cell without a record is ABSENT."""
        return self.records[0].outcome if self.records else Outcome.ABSENT

    @property
    def look(self) -> str:
        """Which shape and color it has: its outcome, or `declared`, as a name of a class in the page."""
        return "declared" if self.records and self.records[0].declared else str(self.outcome).replace(" ", "-")

    @property
    def label(self) -> str:
        """The word beside the shape: the outcome, or why there is none."""
        if not self.records:
            return "no record"
        return "skipped" if self.records[0].blocked_by else self.look.replace("-", " ")

    @property
    def share(self) -> str:
        """`3 of 5` when only some of the records have the worst outcome."""
        same = sum(_rank(record) == _rank(self.records[0]) for record in self.records)
        return f"{same} of {len(self.records)}" if same < len(self.records) else ""

    @property
    def sentences(self) -> list[str]:
        """The checks' sentences."""
        return _distinct(record.sentence for record in self.records)[: 1 if self.outcome is Outcome.AGREES else LISTED]

    @property
    def localized(self) -> list[str]:
        """Which tensor a wrong one really is."""
        return _distinct(record.measured.get(LOCALIZED) for record in self.records)

    @property
    def commands(self) -> list[str]:
        """How to repeat the cells."""
        return _distinct(repeat_command(self.plan, record) for record in self.records if record.nodeid)

    @property
    def numbers(self) -> Table:
        """One row per record and one column per number; of a single record, one row per number."""
        numbers = [numbers_of(record) for record in self.records]
        if len(numbers) == 1:
            return Table("numbers", ("number", "value"), tuple(numbers[0].items()))
        names = tuple(dict.fromkeys(name for row in numbers for name in row))
        rows = tuple(
            (_coordinates(record.cell), str(record.outcome), *(row.get(name) for name in names))
            for record, row in zip(self.records, numbers, strict=True)
        )
        return Table("numbers", ("cell", "outcome", *names), rows)


@dataclass(frozen=True)
class GridRow:
    """A clause with one square per tool; `wide`: squares for pairs of tools or for the whole model instead."""

    clause: Clause
    squares: tuple[Square | None, ...]
    wide: bool


@dataclass(frozen=True)
class Grid:
    """All rows of one model; `tools` names the columns."""

    model: str
    tools: tuple[str, ...]
    rows: tuple[GridRow, ...]

    @property
    def stages(self) -> dict[str, list[GridRow]]:
        """{question of a stage: its rows}, in the order of the protocol."""
        groups = {text: [row for row in self.rows if row.clause.stage is stage] for stage, text in STAGES.items()}
        return {text: rows for text, rows in groups.items() if rows}

    @property
    def unplanned(self) -> list[Clause]:
        """Clauses that this run neither planned nor recorded for the model."""
        planned = {row.clause for row in self.rows}
        return [clause for clause in CLAUSES.values() if clause not in planned]


def build_grids(run: Run) -> list[Grid]:
    """One grid per planned model, with the clauses that were planned or recorded for it."""
    return [Grid(model, run.plan.tools, tuple(_rows(run, model))) for model in run.plan.models]


def outcome_table(grids: Iterable[Grid]) -> Table:
    """One row per square."""
    rows = tuple(
        (grid.model, row.clause.id, row.clause.name, square.who, str(square.outcome), len(square.records))
        for grid in grids
        for row in grid.rows
        for square in row.squares
        if square
    )
    return Table("Outcomes by model, clause and tool", ("model", "clause", "name", "tool", "outcome", "records"), rows)


def _rows(run: Run, model: str) -> Iterator[GridRow]:
    records = [record for record in run.records if record.cell.model == model]
    cells = [*(record.cell for record in records), *(cell for cell in run.plan.planned if cell.model == model)]
    for clause in CLAUSES.values():
        if planned := [cell for cell in cells if cell.clause == clause.id]:
            yield _row(run.plan, clause, [record for record in records if record.cell.clause == clause.id], planned)


def _row(plan: Plan, clause: Clause, records: Sequence[Record], cells: Sequence[Cell]) -> GridRow:
    named = [tool for cell in cells for tool in (cell.tool, cell.other) if tool]
    tools = list(dict.fromkeys([*plan.tools, *named]))

    def subject(cell: Cell) -> tuple[int, ...]:
        """Positions of the cell's tools: one, two for a pair, none for the model itself."""
        return tuple(sorted(tools.index(tool) for tool in (cell.tool, cell.other) if tool))

    groups: dict[tuple[int, ...], list[Record]] = {subject(cell): [] for cell in cells}
    for record in sorted(records, key=_rank):
        groups[subject(record.cell)].append(record)
    wide = any(len(positions) != 1 for positions in groups)
    squares: list[Square | None] = []
    for positions in sorted(groups) if wide else [(column,) for column in range(len(plan.tools))]:
        who = " ~ ".join(tools[position] for position in positions) or "all tools together"
        squares.append(Square(who, tuple(groups[positions]), plan) if positions in groups else None)
    return GridRow(clause, tuple(squares), wide)


def _rank(record: Record) -> float:
    """Worst first; a known deviation ranks between what was not measured and agreement, what is not offered last."""
    return WORST_FIRST.index(Outcome.AGREES) - 0.5 if record.declared else WORST_FIRST.index(record.outcome)


def _coordinates(cell: Cell) -> str:
    repeat = None if cell.repeat is None else f"repeat {cell.repeat}"
    return ", ".join(filter(None, (cell.tools, cell.arm, repeat, cell.variant))) or "model"


def _distinct(texts: Iterable[Value]) -> list[str]:
    """The first few different texts."""
    return list(dict.fromkeys(str(text) for text in texts if text))[:LISTED]
