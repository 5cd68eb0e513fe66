"""The gate: a failed preflight cell of a model keeps the later stages of that model from running."""

import pytest

from parity.plugin.check_records import draft_of
from parity.plugin.session_state import FAILED, PASSED, REQUIRED
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.record import Cell, Outcome, Record


def is_preflight(cell: Cell) -> bool:
    """Whether a cell belongs to the preflight stage."""
    return CLAUSES[cell.clause].stage is Stage.PREFLIGHT


def passes(record: Record) -> bool:
    """Whether a check stands in nobody's way: it agrees, differs by a known deviation, or is not offered by its tool."""
    return record.outcome in (Outcome.AGREES, Outcome.NOT_OFFERED) or record.declared


def closes_gate(record: Record) -> bool:
    """Whether a record blocks the later stages of its model: a preflight cell that differs or crashed."""
    failed = record.outcome in (Outcome.DIFFERS, Outcome.ERRORED) and not record.declared
    return is_preflight(record.cell) and failed


def block(item: pytest.Item) -> None:
    """Skip a check whose model failed its preflight; the record says ABSENT, and why."""
    draft = draft_of(item)
    if draft is None or item.config.getoption("no_gate") or is_preflight(draft.cell):
        return
    if cause := item.config.stash[FAILED].get(draft.cell.model):
        draft.block(cause)
        pytest.skip(draft.sentence)


def remember(config: pytest.Config, record: Record) -> None:
    """Keep what a preflight record means for its model."""
    if closes_gate(record):
        config.stash[FAILED].setdefault(record.cell.model, f"{record.cell.id}: {record.sentence}")
    elif is_preflight(record.cell) and passes(record):
        config.stash[PASSED].add(record.cell.id)


def preflight_passed(config: pytest.Config, model: str) -> bool:
    """Whether every preflight cell of a model ran in this session and passed."""
    required = {cell.id for cell in config.stash[REQUIRED] if cell.model == model and is_preflight(cell)}
    return bool(required) and required <= config.stash[PASSED]
