"""A badge per tool: how many checks of its newest version hold, or which clauses fail."""

import re
from collections.abc import Sequence

from reports.compatibility.rows import Row
from reports.compatibility.support import fails, named_clauses
from reports.page.badge import draw_badge
from reports.untrusted import plain
from steering_core.records.record import Outcome

NAME = "steering-parity"
CLAUSES = 4
"""Failing clauses that a badge names."""
LONGEST = 100
"""Characters of a file's name, without its suffix."""
_OTHER = re.compile(r"[^A-Za-z0-9_.-]+")


def newest_rows(rows: Sequence[Row], tool: str) -> list[Row]:
    """The rows of a tool's newest version, on its newest libraries: a row per family."""
    own = [row for row in rows if row.subject.tool == tool]
    newest = max((row.subject for row in own), key=lambda subject: subject.age)
    return [row for row in own if row.subject == newest]


def summarize(rows: Sequence[Row]) -> tuple[str, str]:
    """What a badge says of these rows, and its tone: `56/56 hold`, `fails: P1, S2`, ..."""
    records = [each.record for row in rows for each in row.evidence]
    if failing := named_clauses([record.cell for record in records if fails(record)]):
        rest = len(failing) - CLAUSES
        return f"fails: {', '.join(failing[:CLAUSES])}{f' and {rest} more' if rest > 0 else ''}", "bad"
    held = sum(record.outcome is Outcome.AGREES for record in records)
    known = sum(record.declared for record in records)
    open_ones = sum(record.outcome is Outcome.ABSENT for record in records) + sum(len(row.missing) for row in rows)
    total = held + known + open_ones
    if not total:
        return "nothing tested", "open"
    notes = [f"{known} known deviation{'s' * (known != 1)}"] * bool(known) + [f"{open_ones} not tested"] * bool(
        open_ones
    )
    return ", ".join([f"{held}/{total} hold", *notes]), "open" if open_ones else "good"


def render_badge(rows: Sequence[Row]) -> str:
    """The badge of a tool's rows as SVG; its title names the tool and the version."""
    label, tone = summarize(rows)
    subject = rows[0].subject
    title = plain(f"{subject.tool}, {subject.release}, {subject.libraries}: {label}", 300)
    return draw_badge(NAME, label, tone, f"{NAME}: {title}")


def file_names(texts: Sequence[str], suffix: str = ".svg") -> dict[str, str]:
    """{text: name of its file}, safe for any system, and no two alike; for a tool, of its badge."""
    names: dict[str, str] = {}
    for text in texts:
        stem = _OTHER.sub("-", text).strip("-.")[:LONGEST] or "tool"
        taken = {name.lower() for name in names.values()}
        number = next(n for n in range(1, len(texts) + 2) if f"{_numbered(stem, n)}{suffix}".lower() not in taken)
        names[text] = f"{_numbered(stem, number)}{suffix}"
    return names


def _numbered(stem: str, number: int) -> str:
    return stem if number == 1 else f"{stem}-{number}"
