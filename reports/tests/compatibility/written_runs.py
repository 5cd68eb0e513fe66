"""Runs for the tests of the table, written out: every check of every column holds, unless a test says otherwise."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from reports.compatibility.columns import read_columns
from reports.compatibility.rows import Row, build_rows
from reports.compatibility.source import Source
from reports.run.artifact import write_run
from steering_core.records.record import Cell, Outcome, Plan, Record, Run

DAY = datetime(2026, 11, 1, tzinfo=UTC)
STACK = {"python": "3.11.7", "torch": "2.13.0", "transformers": "5.23.0"}


def checks(model: str = "tiny_qwen2", tool: str = "probe") -> dict[str, Cell]:
    """{check as a column names it: its cell}."""
    named = dict.fromkeys(check for column in read_columns() for check in column.checks)
    return {check: _cell(check, model, tool) for check in named}


def run(
    version: str = "1.0",
    *,
    model: str = "tiny_qwen2",
    tool: str = "probe",
    day: int = 0,
    stack: dict[str, str] | None = None,
    without: tuple[str, ...] = (),
    skipped: tuple[str, ...] = (),
    **outcomes: Any,
) -> Run:
    """A run of one tool on one model. outcomes: {check with _ for the blank: outcome, or fields of its record}.

    without: checks that were required and left no record. skipped: checks that were not measured.
    """
    cells = checks(model, tool)
    changes = {name.replace("_", " ", 1): change for name, change in outcomes.items()}
    changes |= {name: {"outcome": Outcome.ABSENT, "provenance": {}} for name in skipped}
    entry = {"distribution": tool, "version": version, "location": "site-packages/x", "stack": stack or STACK}
    records = tuple(
        _record(cell, {tool: entry}, DAY + timedelta(days=day), changes.get(check, {}))
        for check, cell in cells.items()
        if check not in without
    )
    every = tuple(cells.values())
    plan = Plan(models=(model,), tools=(tool,), repeats=5, preset="fixture", required=every, planned=every)
    return Run(plan=plan, records=records, environment={"commit": "4f2c1d90aa", "dirty": False})


def older_than(variant: str) -> Run:
    """A run whose full matrix lacks the checks of a variant."""
    newer = run()
    cells = tuple(cell for cell in newer.plan.required if cell.variant != variant)
    records = tuple(record for record in newer.records if record.cell in cells)
    return newer.model_copy(
        update={"plan": newer.plan.model_copy(update={"required": cells, "planned": cells}), "records": records}
    )


def table(*runs: Run) -> list[Row]:
    """The rows of these runs."""
    return build_rows(sources(*runs))


def sources(*runs: Run) -> list[Source]:
    """These runs as they are read, oldest first."""
    named = [Source(f"run-{number}", Path(f"run-{number}"), "0" * 64, each) for number, each in enumerate(runs)]
    return sorted(named, key=lambda source: source.started)


def write(folder: Path, *runs: Run) -> Path:
    """The runs as directories below a folder."""
    for number, each in enumerate(runs):
        write_run(folder / f"run-{number}", each, None)
    return folder


def states(row: Row) -> dict[str, str]:
    """{column: state} of one row."""
    return {each.column.name: str(each.state) for each in row.supports}


def _record(cell: Cell, tools: dict[str, Any], started: datetime, change: Any) -> Record:
    fields = change if isinstance(change, dict) else {"outcome": change}
    known: dict[str, Any] = {"outcome": Outcome.AGREES, "sentence": "as requested", "provenance": {"tools": tools}}
    nodeid = f"parity/test_written.py::test[{cell.model}-{cell.variant}]"
    return Record(cell=cell, started=started, nodeid=nodeid, **{**known, **fields})


def _cell(check: str, model: str, tool: str) -> Cell:
    clause, _, variant = check.partition(" ")
    return Cell(clause=clause, model=model, tool=tool, variant=None if variant in ("", "-") else variant)
