"""The cells of a run laid out for people: model x tool x stage, each place with its records."""

from collections.abc import Iterable

from reports.verdicts.failures import charge
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.record import Outcome, Record, Run

SYMBOLS = {
    Outcome.AGREES: "=",
    Outcome.DIFFERS: "x",
    Outcome.ERRORED: "!",
    Outcome.UNSUPPORTED: "-",
    Outcome.ABSENT: "?",
}
"""Readable without color."""

DECLARED = "d"
"""The cell differs in a way that its tool is declared to: neither a pass nor a failure."""

WORST_FIRST = (Outcome.DIFFERS, Outcome.ERRORED, Outcome.ABSENT, Outcome.UNSUPPORTED, Outcome.AGREES)

CellGrid = dict[tuple[str, str], dict[Stage, list[Record]]]


def build_cell_grid(run: Run) -> CellGrid:
    """{(model, tool): {stage: records}}, in the plan's order.

    A record of a pair of tools counts for both, or, when it does not hold, for the one of them that also fails by
    itself; a record of a whole model counts for each of its tools.
    """
    grid: CellGrid = {(model, tool): {} for model in run.plan.models for tool in run.plan.tools}
    failed = [record.cell for record in run.records if _fails(record) and not record.cell.other]
    alone = {model: {cell.tool for cell in failed if cell.model == model} for model in run.plan.models}
    for record in run.records:
        named = tools_of(record, run.plan.tools)
        if record.cell.other and _fails(record):
            charged = charge(record.cell, alone.get(record.cell.model, set()))
            named = tuple(tool for tool in named if tool in charged)
        for tool in named:
            row = grid.setdefault((record.cell.model, tool), {})
            row.setdefault(CLAUSES[record.cell.clause].stage, []).append(record)
    return grid


def _fails(record: Record) -> bool:
    return record.outcome in (Outcome.DIFFERS, Outcome.ERRORED) and not record.declared


def tools_of(record: Record, every: tuple[str, ...]) -> tuple[str, ...]:
    """The tools that a record speaks of."""
    named = tuple(name for name in (record.cell.tool, record.cell.other) if name)
    return named or every


def worst(records: Iterable[Record]) -> Outcome:
    """The outcome that matters most; ABSENT when there is no record."""
    found = {record.outcome for record in records} or {Outcome.ABSENT}
    return next(outcome for outcome in WORST_FIRST if outcome in found)
