"""Model x tool x clause as a grid of squares; a square holds every record it stands for."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from reports.page.commands import repeat_command
from reports.page.exports import Table
from reports.page.failures import clause_of
from reports.page.measured import LOCALISED, scalars_of
from reports.run.cell_grid import WORST_FIRST
from steering_core.records.clauses import CLAUSES, Clause, Stage
from steering_core.records.record import Cell, Outcome, Plan, Record, Run

WORDY = 3


@dataclass(frozen=True)
class Square:
    """One position of the grid: a tool, a pair of tools, or the model itself, under one clause."""

    who: str
    records: tuple[Record, ...]
    plan: Plan

    @property
    def worst(self) -> Record | None:
        """The record that decides the square."""
        return min(self.records, key=_rank, default=None)

    @property
    def outcome(self) -> Outcome:
        """The worst outcome here; a planned cell without a record is ABSENT."""
        return self.worst.outcome if self.worst else Outcome.ABSENT

    @property
    def look(self) -> str:
        """Which shape and color it has: its outcome, or `declared`."""
        return "declared" if self.worst and self.worst.declared else str(self.outcome)

    @property
    def label(self) -> str:
        """The word beside the shape: the outcome, or what held the cell back."""
        if self.worst is None:
            return "no record"
        return "held back" if self.worst.blocked_by else self.look

    @property
    def share(self) -> str:
        """`3 of 5` when only some of the records have the worst outcome."""
        same = sum(self.worst is not None and _rank(record) == _rank(self.worst) for record in self.records)
        return f"{same} of {len(self.records)}" if same < len(self.records) else ""

    @property
    def sentences(self) -> list[str]:
        """What the checks said, worst first, without repetition."""
        ranked = sorted(self.records, key=_rank)
        most = 1 if self.outcome is Outcome.AGREES else WORDY
        return list(dict.fromkeys(record.sentence for record in ranked))[:most]

    @property
    def localized(self) -> list[str]:
        """Which tensor a wrong one really is."""
        found = [record.measured.get(LOCALISED) for record in self.records]
        return list(dict.fromkeys(str(place) for place in found if place))[:WORDY]

    @property
    def commands(self) -> list[str]:
        """How to repeat the cells, worst first."""
        ranked = sorted(self.records, key=_rank)
        return list(dict.fromkeys(repeat_command(self.plan, record) for record in ranked if record.nodeid))[:WORDY]

    @property
    def numbers(self) -> Table:
        """One row per record and one column per number; of a single record, one row per number."""
        rows = [scalars_of(record) for record in self.records]
        if len(rows) == 1:
            return Table("numbers", ("number", "value"), tuple(rows[0].items()))
        names = tuple(dict.fromkeys(name for row in rows for name in row))
        body = tuple(
            (_which(record.cell), str(record.outcome), *(row.get(name) for name in names))
            for record, row in zip(self.records, rows, strict=True)
        )
        return Table("numbers", ("cell", "outcome", *names), body)


@dataclass(frozen=True)
class GridRow:
    """A clause with one square per tool, or one list of pairs, or one square for the whole model."""

    clause: Clause
    squares: tuple[Square | None, ...]
    wide: bool

    @property
    def place(self) -> int:
        """Where the clause's stage comes in the protocol."""
        return list(Stage).index(self.clause.stage)


@dataclass(frozen=True)
class Grid:
    """All rows of one model; `tools` names the columns."""

    model: str
    tools: tuple[str, ...]
    rows: tuple[GridRow, ...]

    @property
    def unasked(self) -> list[Clause]:
        """Clauses that this run neither planned nor recorded for the model."""
        asked = {row.clause.id for row in self.rows}
        return [clause for clause in CLAUSES.values() if clause.id not in asked]


def build_grids(run: Run) -> list[Grid]:
    """One grid per planned model, with the clauses that were planned or recorded for it."""
    return [Grid(model, run.plan.tools, tuple(_rows(run, model))) for model in run.plan.models]


def outcome_table(run: Run) -> Table:
    """The grid as rows that can be exported."""
    rows = tuple(
        (grid.model, row.clause.id, row.clause.name, square.who, str(square.outcome), len(square.records))
        for grid in build_grids(run) for row in grid.rows for square in row.squares if square
    )  # fmt: skip
    return Table("Outcomes by model, clause and tool", ("model", "clause", "name", "tool", "outcome", "records"), rows)


def _rows(run: Run, model: str) -> Iterator[GridRow]:
    records = [record for record in run.records if record.cell.model == model]
    cells = [record.cell for record in records] + [cell for cell in run.plan.planned if cell.model == model]
    known = list(CLAUSES)
    named = sorted({cell.clause for cell in cells}, key=lambda name: known.index(name) if name in known else len(known))
    for name in named:
        mine = [record for record in records if record.cell.clause == name]
        yield _row(run.plan, clause_of(name), mine, [cell for cell in cells if cell.clause == name])


def _row(plan: Plan, clause: Clause, records: list[Record], cells: list[Cell]) -> GridRow:
    seen = {(cell.tool, cell.other) for cell in cells}

    def square(tool: str | None, other: str | None, who: str) -> Square | None:
        either = {(tool, other), (other, tool)}
        mine = tuple(record for record in records if (record.cell.tool, record.cell.other) in either)
        return Square(who, mine, plan) if either & seen else None

    if any(cell.other for cell in cells):
        pairs = [square(a, b, f"{a} ~ {b}") for a, b in combinations(_tools(plan, cells), 2)]
        return GridRow(clause, tuple(pair for pair in pairs if pair), wide=True)
    if all(cell.tool is None for cell in cells):
        return GridRow(clause, (square(None, None, "all tools together"),), wide=True)
    return GridRow(clause, tuple(square(tool, None, tool) for tool in plan.tools), wide=False)


def _tools(plan: Plan, cells: list[Cell]) -> list[str]:
    """The planned tools in registry order, then any other that a record names."""
    named = (name for cell in cells for name in (cell.tool, cell.other) if name)
    return list(dict.fromkeys([*plan.tools, *named]))


def _rank(record: Record) -> float:
    """Worst first; a declared deviation is better than anything unmeasured, but it is no agreement."""
    return WORST_FIRST.index(Outcome.AGREES) - 0.5 if record.declared else WORST_FIRST.index(record.outcome)


def _which(cell: Cell) -> str:
    repeat = None if cell.repeat is None else f"repeat {cell.repeat}"
    return ", ".join(filter(None, (cell.tools, cell.arm, repeat, cell.variant))) or "model"
