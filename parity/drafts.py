"""The life of one check's record: born in setup, finished after the call, carried by user_properties."""

import json

import pytest

from parity.parametrize import cell_of
from parity.stash import DRAFT, FAILED, HELD, REQUIRED
from steering_core.clauses import CLAUSES, Stage
from steering_core.draft import Draft
from steering_core.errors import SuiteError, ToolAbsent, ToolUnsupported
from steering_core.record import Outcome, Record

PROPERTY = "parity_record"


def draft_of(item: pytest.Item) -> Draft | None:
    """The draft of a check; made on first sight, None for tests without a clause."""
    if DRAFT not in item.stash:
        cell = cell_of(item)
        item.stash[DRAFT] = Draft(cell) if cell else None
    return item.stash[DRAFT]


def block(item: pytest.Item) -> None:
    """Skip a check whose model failed its preflight; the skip is recorded as ABSENT, with the reason."""
    draft = draft_of(item)
    if draft is None or item.config.getoption("no_gate") or CLAUSES[draft.cell.clause].stage is Stage.PREFLIGHT:
        return
    if by := item.config.stash[FAILED].get(draft.cell.model):
        draft.block(by)
        pytest.skip(draft.sentence)


def finish(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Close the record when the check is over, or when its fixtures failed; exactly once."""
    draft = draft_of(item)
    if draft is None or not (call.when == "call" or (call.when == "setup" and call.excinfo)):
        return
    if call.excinfo and draft.blocked_by is None:
        draft.fail(*explain(call.excinfo.value))
    record = draft.finish(item.nodeid)
    item.user_properties.append((PROPERTY, json.dumps(record.model_dump(mode="json"))))  # ASCII, for JUnit too
    remember(item.config, record)


def explain(error: BaseException) -> tuple[Outcome, str]:
    """Which word an exception deserves: not installed or not run, cannot, wrong, or crashed."""
    first = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, ToolAbsent | pytest.skip.Exception):
        return Outcome.ABSENT, first
    if isinstance(error, ToolUnsupported):
        return Outcome.UNSUPPORTED, first
    if isinstance(error, SuiteError):
        return Outcome.ERRORED, first
    return Outcome.ERRORED, f"{type(error).__name__}: {first}"[:500]


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
