"""The life of one check's record: born in setup, finished after the call, carried by user_properties."""

import pytest

from parity.plugin.cells import cell_of
from parity.plugin.session_state import DRAFT
from steering_core.errors import SuiteError, ToolAbsent, ToolUnsupported
from steering_core.records.draft import Draft
from steering_core.records.record import Outcome, Record
from steering_core.records.wire import as_property


def draft_of(item: pytest.Item) -> Draft | None:
    """The draft of a check; made on first sight, None for tests without a clause."""
    if DRAFT not in item.stash:
        cell = cell_of(item)
        item.stash[DRAFT] = Draft(cell) if cell else None
    return item.stash[DRAFT]


def finish(item: pytest.Item, call: pytest.CallInfo[None]) -> Record | None:
    """Close the record when the check is over, or when its fixtures failed; exactly once."""
    draft = draft_of(item)
    if draft is None or not (call.when == "call" or (call.when == "setup" and call.excinfo)):
        return None
    if call.excinfo and draft.blocked_by is None:
        draft.fail(*explain(call.excinfo.value))
    record = draft.finish(item.nodeid)
    item.user_properties.append(as_property(record))
    return record


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
