"""Model x tool x clause as a grid of squares; a square holds every record it stands for."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, islice

from reports.page.exports import Table
from reports.page.groups import Groups, group_by
from reports.page.measured import LOCALIZED, numbers_of
from reports.page.words import STAGES
from reports.run.cell_grid import WORST_FIRST
from reports.verdicts.commands import repeat_command
from steering_core.records.clauses import CLAUSES, Clause
from steering_core.records.record import Cell, Outcome, Plan, Record, Run, Value

LISTED = 3
TABULATED = 40
"""Records of a square whose numbers are listed, worst first."""
FINE = ("agrees", "not-offered")
"""Looks of squares that need no reader."""
FAILED = ("differs", "errored")


@dataclass(frozen=True)
class Square:
    """One position of the grid: a tool, a pair of tools, or the model itself, under one clause; worst record first."""

    who: str
    records: tuple[Record, ...]
    plan: Plan

    @cached_property
    def outcome(self) -> Outcome:
        """The worst outcome here; a planned cell without a record is ABSENT."""
        return self.records[0].outcome if self.records else Outcome.ABSENT

    @cached_property
    def look(self) -> str:
        """Which shape and color it has: that of its worst record."""
        return look_of(self.records[0]) if self.records else "absent"

    @property
    def label(self) -> str:
        """The word beside the shape: the outcome, or why there is none."""
        if not self.records:
            return "no record"
        if self.records[0].declared:
            return "known deviation"
        return "skipped" if self.records[0].blocked_by else self.look.replace("-", " ")

    @cached_property
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
        shown = self.records[:TABULATED]
        return _distinct(repeat_command(self.plan, record) for record in shown if record.nodeid)

    @property
    def numbers(self) -> Table:
        """One row per record and one column per number; of a single record, one row per number."""
        shown = self.records[:TABULATED]
        numbers = [numbers_of(record) for record in shown]
        if len(numbers) == 1:
            return Table("numbers", ("number", "value"), tuple(numbers[0].items()))
        names = tuple(dict.fromkeys(name for row in numbers for name in row))
        rows = tuple(
            (_coordinates(record.cell), str(record.outcome), *(row.get(name) for name in names))
            for record, row in zip(shown, numbers, strict=True)
        )
        return Table("numbers", ("cell", "outcome", *names), rows)

    @property
    def unlisted(self) -> int:
        """Records whose numbers are not listed."""
        return max(len(self.records) - TABULATED, 0)


@dataclass(frozen=True)
class GridRow:
    """A clause with one square per tool; `wide`: squares for pairs of tools or for the whole model instead."""

    clause: Clause
    squares: tuple[Square | None, ...]
    wide: bool

    @cached_property
    def passing(self) -> bool:
        """Whether every square holds, or is not offered."""
        return all(square.look in FINE for square in self.squares if square)

    @property
    def one(self) -> tuple[int, Square]:
        """The first square, with its number: where all hold, it stands for all of them."""
        return next((number, square) for number, square in enumerate(self.squares, 1) if square)

    @cached_property
    def failing(self) -> bool:
        """Whether some square differs undeclared, or crashed."""
        return any(square.look in FAILED for square in self.squares if square)


@dataclass(frozen=True)
class Grid:
    """All rows of one model; `tools` names the columns, `anchor` is its id within the page. by_tool: whether any check of
    the run is about a tool."""

    anchor: str
    model: str
    tools: tuple[str, ...]
    rows: tuple[GridRow, ...]
    by_tool: bool = True

    @property
    def parts(self) -> list[tuple[bool, dict[str, list[GridRow]]]]:
        """(whether every tool passes, {question of a stage: its rows}): what needs a reader, then what passes."""
        return [(passing, stages) for passing in (False, True) if (stages := self._stages(passing))]

    def count(self, passing: bool) -> int:
        """Clauses that hold for every tool, or the others."""
        return sum(row.passing is passing for row in self.rows)

    @property
    def holding(self) -> str:
        """`34 clauses hold for every tool`; `1 clause holds` where no check is about a tool."""
        number = self.count(True)
        return f"{number} {'clause holds' if number == 1 else 'clauses hold'}{' for every tool' * self.by_tool}"

    def _stages(self, passing: bool) -> dict[str, list[GridRow]]:
        rows = [row for row in self.rows if row.passing is passing]
        groups = {text: [row for row in rows if row.clause.stage is stage] for stage, text in STAGES.items()}
        return {text: rows for text, rows in groups.items() if rows}

    @property
    def unplanned(self) -> list[Clause]:
        """Clauses that this run neither planned nor recorded for the model."""
        planned = {row.clause for row in self.rows}
        return [clause for clause in CLAUSES.values() if clause not in planned]

    @property
    def left_out(self) -> list[str]:
        """`directions (D1-D6)` for a stage of which nothing was planned, `P1 location` for a single clause."""
        texts: list[str] = []
        for stage, clauses in groupby(self.unplanned, key=lambda clause: clause.stage):
            several = [clause for clause in CLAUSES.values() if clause.stage is stage]
            missing = list(clauses)
            whole = missing == several and len(several) > 1
            names = [f"{stage} ({several[0].id}-{several[-1].id})"] if whole else [f"{c.id} {c.name}" for c in missing]
            texts += names
        return texts


def look_of(record: Record) -> str:
    """A record's outcome, or `declared`, as a name of a class in the page."""
    return "declared" if record.declared else record.outcome.replace(" ", "-")


def build_grids(run: Run) -> list[Grid]:
    """One grid per planned model, with the clauses that were planned or recorded for it."""
    records = group_by(run.records, lambda record: (record.cell.model, record.cell.clause))
    cells = group_by((*(r.cell for r in run.records), *run.plan.planned), lambda cell: (cell.model, cell.clause))
    by_tool = any(cell.tool for of_clause in cells.values() for cell in of_clause)
    return [
        Grid(f"model-{number}", model, run.plan.tools, tuple(_rows(run.plan, model, records, cells)), by_tool)
        for number, model in enumerate(run.plan.models, 1)
    ]


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


def _rows(plan: Plan, model: str, records: Groups[Record], cells: Groups[Cell]) -> Iterator[GridRow]:
    for clause in CLAUSES.values():
        if planned := cells.get((model, clause.id)):
            yield _row(plan, clause, records.get((model, clause.id), []), planned)


def _row(plan: Plan, clause: Clause, records: Sequence[Record], cells: Sequence[Cell]) -> GridRow:
    named = (tool for cell in cells for tool in (cell.tool, cell.other) if tool)
    tools = list(dict.fromkeys([*plan.tools, *named]))
    places = {tool: place for place, tool in enumerate(tools)}

    def subject(cell: Cell) -> tuple[int, ...]:
        """Positions of the cell's tools: one, two for a pair, none for the model itself."""
        return tuple(sorted(places[tool] for tool in (cell.tool, cell.other) if tool))

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
    return list(islice(dict.fromkeys(str(text) for text in texts if text), LISTED))
