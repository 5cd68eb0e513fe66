"""What was not measured although the verdict needs it, by reason, and grouped for people."""

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum

from reports.verdicts.measured import Repeats, read_measured, was_measured
from reports.verdicts.run_index import RunIndex
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.record import Cell, Outcome

SHOWN = 4
"""Different messages listed per reason; the rest is counted."""
CLAUSES_SHOWN = 3
"""Of the cells of a reason; those of more clauses are counted by stage."""
COMPARED = ("D1", "D2", "B1")
"""The clauses that the decision rules' numbers come from."""


class Reason(StrEnum):
    """Why a cell has no number, for people; the worst first."""

    CRASHED = "crashed"
    ABSENT = "absent"
    UNSUPPORTED = "unsupported"
    SKIPPED = "skipped, though no failed check explains it"
    UNRECORDED = "planned, but not finished"
    UNSELECTED = "required, but not selected"


NOTHING = "nothing was measured: the tools offer none of the selected checks"
REASONS = {Outcome.ERRORED: Reason.CRASHED, Outcome.UNSUPPORTED: Reason.UNSUPPORTED, Outcome.ABSENT: Reason.ABSENT}
Groups = dict[Reason, dict[str, list[Cell]]]
"""Cells by reason and by the sentence of their record."""


def list_missing(index: RunIndex) -> tuple[str, ...]:
    """Everything missing in a few lines, the worst reason first; empty when the evidence is complete."""
    needs = () if index.preflight_only else (*_list_needs(index), *_list_unplanned(index))
    checks = [cell for cell in index.cells if CLAUSES[cell.clause].stage is not Stage.EVIDENCE]
    nothing = [] if any(map(index.is_offered, checks)) else [NOTHING]
    return (*needs, *nothing, *_describe_groups(_group(index)))


def list_not_offered(index: RunIndex) -> tuple[str, ...]:
    """What the tools do not claim to do, a line per reason: neither missing nor passed."""
    groups: dict[str, list[Cell]] = {}
    for cell, record in index.records.items():
        if not index.is_offered(cell):
            groups.setdefault(record.sentence, []).append(cell)
    return tuple(f"{sentence}: {_describe(cells)}" for sentence, cells in groups.items())


def list_missing_cells(index: RunIndex) -> Iterator[Cell]:
    """Every cell without a measurement that nothing excuses."""
    return (cell for cells in _group(index).values() for group in cells.values() for cell in group)


def compares_too_little(index: RunIndex) -> bool:
    """Whether the plan itself leaves out tools or repeats that the comparison needs, so that any number may change."""
    return any(True for _ in (*_list_needs(index), *_list_unplanned(index)))


def _list_needs(index: RunIndex) -> Iterator[str]:
    """Two tools, and the protocol's number of repeats; one model is enough for a conclusion about that model."""
    plan, needed = index.plan, index.plan.protocol_repeats
    if len(set(plan.tools)) < 2:
        yield f"only one tool ({', '.join(plan.tools)}); a comparison needs at least two"
    if plan.repeats < needed:
        yield f"only {plan.repeats} of the protocol's {needed} repeats were planned"
        return
    for record in (record for model in plan.models for record in index.measured("D1", model)):
        if (repeats := read_measured(record, Repeats).repeats) < needed:
            yield f"{record.cell.id} compares only {repeats} of the protocol's {needed} repeats"


def _list_unplanned(index: RunIndex) -> Iterator[str]:
    """Tools without any cell of a compared clause: a matrix with a gap must not look complete."""
    if len(set(index.plan.tools)) < 2:
        return
    for model in index.plan.models:
        for clause in COMPARED:
            cells = [cell for cell in index.cells_of(model) if cell.clause == clause]
            planned = {name for cell in cells for name in (cell.tool, cell.other)}
            if unplanned := [tool for tool in index.plan.tools if tool not in planned]:
                yield f"{clause} {CLAUSES[clause].name} on {model}: not planned for {', '.join(unplanned)}"


def _group(index: RunIndex) -> Groups:
    groups: Groups = {}
    for cell in index.cells:
        record = index.records.get(cell)
        if record is None:
            reason = Reason.UNRECORDED if cell in index.planned else Reason.UNSELECTED
        elif was_measured(record) or not index.is_offered(cell) or index.is_excused(record):
            continue
        else:
            skipped = record.outcome is Outcome.ABSENT and record.blocked_by
            reason = Reason.SKIPPED if skipped else REASONS[record.outcome]
        groups.setdefault(reason, {}).setdefault(record.sentence if record else "", []).append(cell)
    return groups


def _describe_groups(groups: Groups) -> Iterator[str]:
    for reason in filter(groups.__contains__, Reason):
        by_size = sorted(groups[reason].items(), key=lambda group: -len(group[1]))
        for sentence, cells in by_size[:SHOWN]:
            yield f"{reason}: {f'{sentence}: ' if sentence else ''}{_describe(cells)}"
        if rest := [cell for _, cells in by_size[SHOWN:] for cell in cells]:
            yield f"{reason}, with {len(by_size) - SHOWN} other messages: {_describe(rest)}"


def _describe(cells: list[Cell]) -> str:
    """`12 checks (B1 x8, B2 x4) of hooks, pyvene on tiny_qwen2`, of many clauses `327 checks (preflight 218, behavior
    109) of ...`; a single one by its id."""
    if len(cells) == 1:
        return cells[0].id
    counted = Counter(cell.clause for cell in cells)
    if len(counted) <= CLAUSES_SHOWN:
        parts = [f"{clause} x{counted[clause]}" for clause in CLAUSES if clause in counted]
    else:
        stages = Counter(CLAUSES[cell.clause].stage for cell in cells)
        parts = [f"{stage} {stages[stage]}" for stage in Stage if stage in stages]
    names = dict.fromkeys(name for cell in cells for name in (cell.tool, cell.other) if name)
    tools = f" of {', '.join(names)}" if names else ""
    return (
        f"{len(cells)} checks ({', '.join(parts)}){tools} on {', '.join(dict.fromkeys(cell.model for cell in cells))}"
    )
