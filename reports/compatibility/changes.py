"""What changed from one version of a tool to the next."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from reports.compatibility.rows import STACK, Row, Subject
from reports.page.exports import Table
from reports.page.groups import group_by

COLUMNS = ("tool", "families", "from", "to", "column", "was", "is")
PYTHON = STACK.index("python")


def list_changes(rows: Sequence[Row]) -> Table:
    """A row per column that has another state in the next version of the tool, or of the libraries below it, under the same
    Python: with all families for which it has."""
    history = group_by(rows, lambda row: (row.subject.tool, row.family, row.subject.stack[PYTHON]))
    families: dict[tuple[str, ...], dict[str, None]] = {}
    for versions in history.values():
        for before, after in pairwise(versions):
            for change in _between(before, after):
                families.setdefault(change, {})[after.family] = None
    changes = tuple((tool, ", ".join(sorted(named)), *rest) for (tool, *rest), named in families.items())
    return Table("What changed between versions", COLUMNS, changes)


def _between(before: Row, after: Row) -> Iterator[tuple[str, ...]]:
    names = _versions(before.subject, after.subject)
    for was, now in zip(before.supports, after.supports, strict=True):
        if (was.state, was.what) != (now.state, now.what):
            states = (f"{each.state}{f': {each.what}' if each.what else ''}" for each in (was, now))
            yield (after.subject.tool, *names, now.column.title, *states)


def _versions(before: Subject, after: Subject) -> tuple[str, str]:
    """How the two differ: the tool's own version, and those libraries below it that have another one; without the builds of
    a version, as `+cpu` names one."""
    pairs = zip(STACK, before.stack, after.stack, strict=True)
    others = [(name, _public(old), _public(new)) for name, old, new in pairs if name != after.distribution]
    changed = [(name, old, new) for name, old, new in others if old != new]
    old = [_public(before.release), *(f"{name} {version}" for name, version, _ in changed)]
    new = [_public(after.release), *(f"{name} {version}" for name, _, version in changed)]
    return ", ".join(old), ", ".join(new)


def _public(version: str) -> str:
    return version.partition("+")[0]
