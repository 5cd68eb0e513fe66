"""What a failed check leaves in the terminal and in JUnit: tracebacks that quote a tool or a model, made safe to show."""

from typing import Any

import pytest

from reports.untrusted import plain

LONGEST = 2000
"""Characters of one line; a whole record keeps more."""


def make_safe(report: pytest.TestReport) -> None:
    """Escape, in place, whatever in the failure of a report could move a cursor, turn text around or hide."""
    for traceback, crash, _ in getattr(report.longrepr, "chain", []):
        _clean(crash)
        for entry in traceback.reprentries:
            entry.lines = [plain(line, LONGEST) for line in entry.lines]
            _clean(getattr(entry, "reprfileloc", None))
    _clean(getattr(report.longrepr, "reprcrash", None))


def _clean(place: Any) -> None:
    if place is not None:
        place.message = "\n".join(plain(line, LONGEST) for line in str(place.message).split("\n"))
