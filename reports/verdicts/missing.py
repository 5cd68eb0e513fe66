"""What was not measured although the verdict needs it, told apart by why, and grouped for people."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from reports.verdicts.measured import read_count, was_measured
from reports.verdicts.run_index import RunIndex
from steering_core.records.clauses import CLAUSES
from steering_core.records.record import Cell, Outcome

SHOWN = 4
"""Different messages listed per reason; the rest is counted."""
COMPARED = ("D1", "D2", "B1")
"""The clauses that w, c and g come from."""


class Why(StrEnum):
    """Reasons in the words of the report."""

    CRASHED = "crashed"
    ABSENT = "absent"
    UNSUPPORTED = "unsupported"
    HELD_BACK = "held back, though no failed check explains it"
    UNRECORDED = "planned, but left no record"
    UNSELECTED = "required, but not selected"


@dataclass(frozen=True)
class Unmeasured:
    """One cell without a number, why, and the record's own words."""

    cell: Cell
    why: Why
    sentence: str = ""


def list_missing(index: RunIndex) -> tuple[str, ...]:
    """Everything missing in a few lines, the worst kind first; empty when the evidence is complete."""
    cells = tuple(_list_unmeasured(index))
    needs = () if index.preflight_only else (*_list_needs(index), *_list_unasked(index))
    return (*needs, *_group(cells))


def _list_unmeasured(index: RunIndex) -> Iterator[Unmeasured]:
    reasons = {Outcome.ERRORED: Why.CRASHED, Outcome.UNSUPPORTED: Why.UNSUPPORTED, Outcome.ABSENT: Why.ABSENT}
    for cell in index.cells:
        record = index.records.get(cell)
        if record is None:
            yield Unmeasured(cell, Why.UNRECORDED if cell in index.planned else Why.UNSELECTED)
        elif not was_measured(record) and not index.is_excused(record):
            held_back = record.outcome is Outcome.ABSENT and record.blocked_by
            why = Why.HELD_BACK if held_back else reasons[record.outcome]
            yield Unmeasured(cell, why, record.sentence)


def _list_needs(index: RunIndex) -> Iterator[str]:
    """Two models, two tools, and the protocol's number of repeats."""
    plan = index.plan
    for what, found in (("model", plan.models), ("tool", plan.tools)):
        if len(set(found)) < 2:
            yield f"only one {what} ({', '.join(found)}); a comparison takes at least two"
    if plan.repeats < plan.protocol_repeats:
        yield f"only {plan.repeats} of the protocol's {plan.protocol_repeats} repeats were asked for"
        return
    for model in plan.models:
        for record in index.measured("D1", model):
            if (compared := read_count(record, "repeats")) < plan.protocol_repeats:
                yield f"{record.cell.id} compares only {compared} of the protocol's {plan.protocol_repeats} repeats"


def _list_unasked(index: RunIndex) -> Iterator[str]:
    """Tools for which a compared clause was never even asked: a matrix with a hole must not look complete."""
    if len(set(index.plan.tools)) < 2:
        return
    for model in index.plan.models:
        for clause in COMPARED:
            asked = [cell for cell in index.cells if cell.clause == clause and cell.model == model]
            seen = {name for cell in asked for name in (cell.tool, cell.other)}
            if unasked := [tool for tool in index.plan.tools if tool not in seen]:
                yield f"{clause} {CLAUSES[clause].name} on {model}: never asked of {', '.join(unasked)}"


def _group(items: Iterable[Unmeasured]) -> Iterator[str]:
    groups: dict[Why, dict[str, list[Cell]]] = {}
    for item in items:
        groups.setdefault(item.why, {}).setdefault(item.sentence, []).append(item.cell)
    for why in Why:
        by_size = sorted(groups.get(why, {}).items(), key=lambda group: -len(group[1]))
        for sentence, cells in by_size[:SHOWN]:
            yield f"{why}: {f'{sentence}: ' if sentence else ''}{_describe(cells)}"
        if rest := [cell for _, cells in by_size[SHOWN:] for cell in cells]:
            yield f"{why}, with {len(by_size) - SHOWN} other messages: {_describe(rest)}"


def _describe(cells: list[Cell]) -> str:
    """`12 cells (B1 x8, B2 x4) of hooks, pyvene on tiny_qwen2`; a single cell by its id."""
    if len(cells) == 1:
        return cells[0].id
    counted = Counter(cell.clause for cell in cells)
    clauses = ", ".join(f"{clause} x{counted[clause]}" for clause in CLAUSES if clause in counted)
    tools = dict.fromkeys(name for cell in cells for name in (cell.tool, cell.other) if name)
    whose = f" of {', '.join(tools)}" if tools else ""
    return f"{len(cells)} cells ({clauses}){whose} on {', '.join(dict.fromkeys(cell.model for cell in cells))}"
