"""The tensor-site parity checklist that the phase 1 protocol asks for (section D): per model, tool and check."""

from reports.run.cell_grid import build_cell_grid, worst
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.record import Cell, Frozen, Outcome, Record, Run, Value

CHECKS = {CLAUSES[clause].name: CLAUSES[clause] for clause in ("P1", "P2", "P3", "P4", "P5", "P6")}
"""location, shape, dtype, token position, timing, agreement: what the protocol's section D lists."""


class ChecklistEntry(Frozen):
    """One record behind a check."""

    cell: Cell
    outcome: Outcome
    sentence: str
    measured: dict[str, Value]


class Check(Frozen):
    """One line of the checklist: the worst outcome of its entries and that entry's words."""

    clause: str
    requirement: str
    outcome: Outcome
    sentence: str
    entries: tuple[ChecklistEntry, ...]


class ToolChecklist(Frozen):
    """All checks of one tool on one model; `passes` only if every one of them was made and holds."""

    passes: bool
    checks: dict[str, Check]


class Checklist(Frozen):
    """{model: {tool: checks}}; `passes` only if every tool passes on every model."""

    source: str = "phase 1 protocol, section D"
    passes: bool
    models: dict[str, dict[str, ToolChecklist]]


def build_checklist(run: Run) -> Checklist:
    """The checklist of a run; a check without a record is absent, never passed."""
    models: dict[str, dict[str, ToolChecklist]] = {model: {} for model in run.plan.models}
    for (model, tool), stages in build_cell_grid(run).items():
        models.setdefault(model, {})[tool] = _tool(stages.get(Stage.PREFLIGHT, []))
    tools = [tool for model in models.values() for tool in model.values()]
    return Checklist(passes=bool(tools) and all(tool.passes for tool in tools), models=models)


def _tool(records: list[Record]) -> ToolChecklist:
    checks = {
        name: _check(clause.id, clause.rule, [record for record in records if record.cell.clause == clause.id])
        for name, clause in CHECKS.items()
    }
    return ToolChecklist(passes=all(check.outcome is Outcome.AGREES for check in checks.values()), checks=checks)


def _check(clause: str, requirement: str, records: list[Record]) -> Check:
    outcome = worst(records)
    sentence = next((record.sentence for record in records if record.outcome is outcome), "not measured")
    entries = tuple(
        ChecklistEntry(cell=record.cell, outcome=record.outcome, sentence=record.sentence, measured=record.measured)
        for record in records
    )
    return Check(clause=clause, requirement=requirement, outcome=outcome, sentence=sentence, entries=entries)
