"""The tensor-site parity checklist of the phase 1 protocol (section D): per model, tool and check."""

from reports.run.cell_grid import build_cell_grid, worst
from steering_core.records.clauses import CLAUSES, Clause, Stage
from steering_core.records.record import Cell, Frozen, Outcome, Record, Run, Value

SECTION_D = tuple(CLAUSES[clause] for clause in ("P1", "P2", "P3", "P4", "P5", "P6"))
"""location, shape, dtype, token position, timing, agreement."""


class ChecklistEntry(Frozen):
    """One record behind a check."""

    cell: Cell
    outcome: Outcome
    sentence: str
    measured: dict[str, Value]


class ChecklistItem(Frozen):
    """One line of the checklist: the worst outcome of its entries and that entry's sentence."""

    clause: str
    requirement: str
    outcome: Outcome
    sentence: str
    entries: tuple[ChecklistEntry, ...]


class ToolChecklist(Frozen):
    """All checks of one tool on one model; `passes` only if every one that it offers ran and holds, and there is one."""

    passes: bool
    checks: dict[str, ChecklistItem]


class Checklist(Frozen):
    """{model: {tool: checks}}; `passes` only if every tool that offers a check passes on every model, and there is one."""

    source: str = "phase 1 protocol, section D"
    passes: bool
    models: dict[str, dict[str, ToolChecklist]]


def build_checklist(run: Run) -> Checklist:
    """The checklist of a run; a check without a record is absent, never passed."""
    models: dict[str, dict[str, ToolChecklist]] = {model: {} for model in run.plan.models}
    for (model, tool), stages in build_cell_grid(run).items():
        checks = {clause.name: _check(clause, stages.get(Stage.PREFLIGHT, [])) for clause in SECTION_D}
        passes = {check.outcome for check in checks.values()} - {Outcome.NOT_OFFERED} == {Outcome.AGREES}
        models.setdefault(model, {})[tool] = ToolChecklist(passes=passes, checks=checks)
    tools = [tool for model in models.values() for tool in model.values() if _offers(tool)]
    return Checklist(passes=bool(tools) and all(tool.passes for tool in tools), models=models)


def _offers(tool: ToolChecklist) -> bool:
    return any(check.outcome is not Outcome.NOT_OFFERED for check in tool.checks.values())


def _check(clause: Clause, preflight: list[Record]) -> ChecklistItem:
    records = [record for record in preflight if record.cell.clause == clause.id]
    outcome = worst(records)
    sentence = next((record.sentence for record in records if record.outcome is outcome), "not measured")
    entries = tuple(
        ChecklistEntry(cell=record.cell, outcome=record.outcome, sentence=record.sentence, measured=record.measured)
        for record in records
    )
    return ChecklistItem(clause=clause.id, requirement=clause.rule, outcome=outcome, sentence=sentence, entries=entries)
