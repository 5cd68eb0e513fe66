"""The gate: a failed preflight cell of a model blocks the later stages of that model."""

import pytest

from parity.plugin.check_records import draft_of
from parity.plugin.session_state import FAILED, HELD, REQUIRED
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.record import Outcome, Record


def block(item: pytest.Item) -> None:
    """Skip a check whose model failed its preflight; the skip is recorded as ABSENT, with the reason."""
    draft = draft_of(item)
    if draft is None or item.config.getoption("no_gate") or CLAUSES[draft.cell.clause].stage is Stage.PREFLIGHT:
        return
    if by := item.config.stash[FAILED].get(draft.cell.model):
        draft.block(by)
        pytest.skip(draft.sentence)


def remember(config: pytest.Config, record: Record) -> None:
    """A preflight cell that differs or crashes closes the gate of its model; those that hold are counted."""
    if CLAUSES[record.cell.clause].stage is not Stage.PREFLIGHT:
        return
    if record.outcome is Outcome.AGREES or record.declared:
        config.stash[HELD].add(record.cell.id)
    elif record.outcome in (Outcome.DIFFERS, Outcome.ERRORED):
        config.stash[FAILED].setdefault(record.cell.model, f"{record.cell.id}: {record.sentence}")


def preflight_holds(config: pytest.Config, model: str) -> bool:
    """Whether every preflight cell of a model ran in this session, and agrees."""
    cells = [cell for cell in config.stash[REQUIRED] if cell.model == model]
    preflight = {cell.id for cell in cells if CLAUSES[cell.clause].stage is Stage.PREFLIGHT}
    return bool(preflight) and preflight <= config.stash[HELD]
