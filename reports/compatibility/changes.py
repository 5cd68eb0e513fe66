"""What changed from one version of a tool to the next, family by family."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from reports.compatibility.rows import STACK, Row
from reports.page.exports import Table
from reports.page.groups import group_by

COLUMNS = ("tool", "family", "from", "to", "column", "was", "is")


def list_changes(rows: Sequence[Row]) -> Table:
    """A row per column that has another state in the next version of the tool, or of the libraries below it."""
    groups = group_by(rows, lambda row: (row.subject.tool, row.family))
    changes = (
        change for group in groups.values() for before, after in pairwise(group) for change in _between(before, after)
    )
    return Table("What changed between versions", COLUMNS, tuple(changes))


def _between(before: Row, after: Row) -> Iterator[tuple[str, ...]]:
    names = _versions(before, after)
    for was, now in zip(before.supports, after.supports, strict=True):
        if (was.state, was.what) != (now.state, now.what):
            states = (f"{each.state}{f': {each.what}' if each.what else ''}" for each in (was, now))
            yield (after.subject.tool, after.family, *names, now.column.title, *states)


def _versions(before: Row, after: Row) -> tuple[str, str]:
    """How the two differ: the tool's own version, and those libraries that have another one."""
    pairs = zip(STACK, before.subject.stack, after.subject.stack, strict=True)
    others = [(name, old, new) for name, old, new in pairs if old != new]
    old = [before.subject.release, *(f"{name} {version}" for name, version, _ in others)]
    new = [after.subject.release, *(f"{name} {version}" for name, _, version in others)]
    return ", ".join(old), ", ".join(new)
