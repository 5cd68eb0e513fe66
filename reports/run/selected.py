"""Which parts of the protocol a run selected: what nothing of the selection can fill is left out of its reports."""

from steering_core.records.record import Run

DIRECTIONS = {"D1", "D2"}
"""The clauses that cosines of directions come from."""
RATES = {"B1", "B2"}
"""The clauses that rates and their gaps come from."""


def selected_clauses(run: Run) -> set[str]:
    """Ids of the clauses that have a planned check or a record."""
    return {cell.clause for cell in (*run.plan.planned, *(record.cell for record in run.records))}


def selects(run: Run, clauses: set[str]) -> bool:
    """Whether a check of one of the clauses was selected."""
    return bool(selected_clauses(run) & clauses)
