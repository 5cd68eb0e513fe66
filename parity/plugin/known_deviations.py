"""A check that a tool is known to fail: reported as that, never as a pass, and red when it stops being true."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from steering_core.records.draft import Draft


@contextmanager
def unless_declared(record: Draft, tool: Any, variant: str) -> Iterator[None]:
    """Turn the failure of a declared deviation into an expected one; a declared deviation that passes is a failure."""
    from steering_core.tools.deviations import known_deviation

    known = known_deviation(tool, record.cell.clause, variant)
    if known is None:
        yield
        return
    try:
        yield
    except AssertionError:
        record.note(declared_deviation=known.reason, link=known.link)
        pytest.xfail(f"declared deviation of {tool.name}: {known.reason}")
    words = f"{tool.name} no longer deviates: {known.reason}; remove the row for {record.cell.clause} {variant}"
    record.differ(words)
    raise AssertionError(words)
