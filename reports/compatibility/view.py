"""What the page and the Markdown show of a table, gathered once."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from os.path import relpath
from pathlib import Path
from urllib.parse import quote

from reports.compatibility.badge import NAME, file_names, newest_rows, summarize
from reports.compatibility.changes import list_changes
from reports.compatibility.columns import Column, read_columns, read_left_out
from reports.compatibility.remarks import list_remarks
from reports.compatibility.rows import Row, build_rows
from reports.compatibility.source import Source
from reports.compatibility.support import LOOKS, MEANINGS, Evidence, State, Support
from reports.page.exports import Table
from reports.page.groups import group_by
from reports.verdicts.commands import repeat_checks_command, repeat_clauses_command
from steering_core.records.clauses import CLAUSES
from steering_core.records.record import Value

PAGE, MARKDOWN, BADGES = "compatibility.html", "compatibility.md", "badges"
LISTED = 3
"""Records of a cell that are quoted."""


@dataclass(frozen=True)
class Entry:
    """A cell of the table as it is shown. anchor: its id in the page."""

    support: Support
    anchor: str

    @property
    def label(self) -> str:
        """`fails: P1`."""
        return f"{self.support.state}{f': {self.support.what}' if self.support.what else ''}"

    @property
    def quoted(self) -> list[tuple[Evidence, str]]:
        """The records that tell most, each with the deviation that it declares, or ""."""
        telling = self.support.telling
        shown = telling[: 1 if self.support.state in (State.HOLDS, State.NOT_OFFERED) else LISTED]
        return [(each, str(each.record.measured.get("declared_deviation") or "")) for each in shown]

    @property
    def others(self) -> int:
        """Further records of the column."""
        return len(self.support.evidence) - len(self.quoted)

    @property
    def commands(self) -> list[str]:
        """What repeats the checks that fail or deviate, per run; of more than a few of them, `clauses` does."""
        groups = group_by([] if self.clauses else self._repeatable, lambda each: each.source)
        return [repeat_checks_command(each.run.plan, [one.record for one in group]) for each, group in groups.items()]

    @property
    def clauses(self) -> str:
        """`P0,P1`: with these, the command of the row repeats the column; "" where `commands` names each check."""
        if self.support.state in (State.FAILS, State.DEVIATES) and len(self._repeatable) <= LISTED:
            return ""
        named = {each.record.cell.clause for each in self._repeatable}
        return ",".join(clause for clause in CLAUSES if clause in named)

    @property
    def _repeatable(self) -> list[Evidence]:
        return [each for each in self.support.telling if each.record.nodeid]


@dataclass(frozen=True)
class Line:
    """A row of the table as it is shown. anchor: with `-command` and a number, the ids of its commands.

    sources: (run, where its records lie, from the page); "" for one elsewhere.
    """

    row: Row
    entries: tuple[Entry, ...]
    anchor: str
    sources: tuple[tuple[Source, str], ...]

    @property
    def commands(self) -> list[str]:
        """What repeats all checks of the row, per run: once here, not in each of its cells."""
        groups = group_by((each for each in self.row.evidence if each.record.nodeid), lambda each: each.source)
        runs = islice(groups.items(), LISTED)
        return [repeat_clauses_command(source.run.plan, [each.record for each in group]) for source, group in runs]


@dataclass(frozen=True)
class ToolTable:
    """All rows of a tool, newest version first. label: what its badge says."""

    tool: str
    anchor: str
    lines: tuple[Line, ...]
    badge: str
    label: str
    tone: str

    @property
    def snippet(self) -> str:
        """The badge in Markdown, to be copied."""
        return f"[![{NAME}: {self.label}]({BADGES}/{self.badge})]({MARKDOWN}#{self.anchor})"

    @property
    def alike(self) -> list[tuple[str, Line]]:
        """The families of one version that have the same state in every column, and the line of the first of them."""
        groups = group_by(self.lines, lambda line: (line.row.subject, *(entry.label for entry in line.entries)))
        return [(", ".join(line.row.family for line in group), group[0]) for group in groups.values()]


@dataclass(frozen=True)
class View:
    """The whole table."""

    tables: tuple[ToolTable, ...]
    columns: tuple[Column, ...]
    remarks: Table
    changes: Table
    runs: Table

    @property
    def legend(self) -> list[tuple[str, str, str]]:
        """(state, look, meaning)."""
        return [(str(state), LOOKS[state], meaning) for state, meaning in MEANINGS.items()]

    @property
    def left_out(self) -> list[tuple[str, str]]:
        """(check, why it is in no column)."""
        return list(read_left_out().items())


def make_view(sources: Sequence[Source], folder: Path | None = None) -> View:
    """The view of some runs. folder: where the page goes."""
    rows = build_rows(sources)
    badges = file_names(list(dict.fromkeys(row.subject.tool for row in rows)))
    tables = tuple(_table(tool, rows, badge, folder) for tool, badge in badges.items())
    return View(tables, read_columns(), list_remarks(rows), list_changes(rows), _runs(sources))


def _table(tool: str, rows: Sequence[Row], badge: str, folder: Path | None) -> ToolTable:
    anchor = f"tool-{Path(badge).stem}"
    own = [row for row in rows if row.subject.tool == tool]
    newest_first = [row for group in reversed(list(group_by(own, lambda row: row.subject).values())) for row in group]
    lines = tuple(_line(f"{anchor}-{number}", row, folder) for number, row in enumerate(newest_first, 1))
    return ToolTable(tool, anchor, lines, badge, *summarize(newest_rows(rows, tool)))


def _line(anchor: str, row: Row, folder: Path | None) -> Line:
    entries = (Entry(each, f"{anchor}-{each.column.name}") for each in row.supports)
    sources = dict.fromkeys(each.source for each in row.evidence)
    return Line(row, tuple(entries), anchor, tuple((source, _link(source, folder)) for source in sources))


def _link(source: Source, folder: Path | None) -> str:
    """Where the records lie from the page, if they go where the page goes: below its folder, or beside it."""
    if folder is None:
        return ""
    place = Path(relpath(source.file.resolve(), folder.resolve()))
    return "" if place.parts[:2] == ("..", "..") else quote(place.as_posix())


def _runs(sources: Sequence[Source]) -> Table:
    return Table(
        "Runs",
        ("run", "started, UTC", "commit of the suite", "records", "sha256 of records.jsonl"),
        tuple(_run(source) for source in {each.sha256: each for each in sources}.values()),
    )


def _run(source: Source) -> tuple[Value, ...]:
    commit = source.run.environment.get("commit")
    changed = " (with uncommitted changes)" if source.run.environment.get("dirty") else ""
    note = "replayed from published files: left out" if source.replayed else f"{commit}{changed}" if commit else None
    return (source.name, f"{source.started:%Y-%m-%d %H:%M}", note, source.records, source.sha256)
