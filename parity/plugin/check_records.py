"""The life of one check's record: created in setup, finished after the call, carried by user_properties."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from parity.plugin.cells import cell_of
from parity.plugin.session_state import RECORD
from steering_core.errors import RaisedByTool, SuiteError, ToolAbsent, ToolUnsupported
from steering_core.records.draft import Draft
from steering_core.records.record import Outcome, Record
from steering_core.records.wire import as_property


def draft_of(item: pytest.Item) -> Draft | None:
    """The record of a check, created on first use; None for tests without a clause."""
    if RECORD not in item.stash:
        cell = cell_of(item)
        item.stash[RECORD] = Draft(cell) if cell else None
    return item.stash[RECORD]


@contextmanager
def recording(record: Draft) -> Iterator[None]:
    """Around the body of a check: an exception becomes the record's outcome, a check that compared nothing an error."""
    try:
        yield
        record.require_evidence()
    except BaseException as error:
        record.fail(*explain(error))
        raise


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
    """The outcome that an exception stands for: absent (or not run), unsupported, or errored; and its first line."""
    first = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, ToolAbsent | pytest.skip.Exception):
        return Outcome.ABSENT, first
    if isinstance(error, ToolUnsupported):
        return Outcome.UNSUPPORTED, first
    if isinstance(error, SuiteError | RaisedByTool):
        return Outcome.ERRORED, first[:500]
    return Outcome.ERRORED, f"{type(error).__name__}: {first}"[:500]
