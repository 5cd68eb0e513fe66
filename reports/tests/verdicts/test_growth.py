"""The work of ending a run, of judging and of printing it grows with its records, not with their square; counted in lines of code."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from reports.terminal.screen import render
from reports.tests.synthetic_run import one_fault
from reports.verdicts import judge
from steering_core.records.audit import audit
from steering_core.records.followed import with_followed
from steering_core.records.record import Cell, Run

CLAUSES = {"P1", "P6", "D1", "D2", "B1", "B2"}
FEW, MANY = 25, 100
"""Models, of a few records each."""
SLACK = 1.3
"""Sorting and tables of models add a little to four times the work; work that is quadratic does 8 to 16 times as much."""


def widened(run: Run, models: int) -> Run:
    """The first model's part of the run, once for each of many models."""
    first = run.plan.models[0]
    rows = [r for r in run.records if r.cell.model == first and r.cell.clause in CLAUSES and r.cell.repeat in (None, 0)]

    def moved(cell: Cell, model: str) -> Cell:
        return cell.model_copy(update={"model": model})

    names = tuple(f"model{number}" for number in range(models))
    records = tuple(row.model_copy(update={"cell": moved(row.cell, name)}) for name in names for row in rows)
    cells = tuple(record.cell for record in records)
    plan = run.plan.model_copy(update={"models": names, "required": cells, "planned": cells})
    return Run(plan=plan, records=records, environment=run.environment)


def judge_and_print(run: Run) -> None:
    """What every run ends with."""
    render(run, judge(run), 100, color=False)


def follow_half(run: Run) -> None:
    """Half of the cells were asked for by decisions."""
    cells = run.plan.planned
    with_followed(with_followed(run.plan.model_copy(update={"planned": cells[::2]}), cells[1::2]), cells[:1])


WORK: dict[str, Callable[[Run], object]] = {"verdict": judge_and_print, "audit": audit, "followed": follow_half}


def count_lines(work: Callable[[Run], object], run: Run) -> int:
    """How many lines of Python run meanwhile."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    sys.settrace(trace)
    try:
        work(run)
    finally:
        sys.settrace(None)
    return count


@pytest.mark.parametrize("work", WORK.values(), ids=list(WORK))
def test_four_times_the_records_are_four_times_the_work(work: Callable[[Run], object]) -> None:
    few, many = (count_lines(work, widened(one_fault(gated=False), models)) for models in (FEW, MANY))
    assert many < SLACK * MANY / FEW * few, f"{few} lines of code for {FEW} models, {many} for {MANY}"
