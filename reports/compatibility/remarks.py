"""What deviates or fails in a table, each with the families that it was seen on."""

from collections.abc import Iterator, Sequence

from reports.compatibility.rows import Row
from reports.compatibility.support import fails
from reports.page.exports import Table
from reports.page.groups import group_by
from steering_core.records.record import Record

COLUMNS = ("tool", "version", "check", "what", "families")


def list_remarks(rows: Sequence[Row]) -> Table:
    """A row per check of a version that does not simply hold, failures first; the same remark on all families is one."""
    groups = group_by((pair for row in rows for pair in _remarks(row)), lambda pair: pair[0])
    entries = [(*remark, ", ".join(dict.fromkeys(family for _, family in group))) for remark, group in groups.items()]
    failures_first = sorted(entries, key=lambda entry: entry[3].startswith("known"))
    return Table("What fails or deviates", COLUMNS, tuple(failures_first))


def _remarks(row: Row) -> Iterator[tuple[tuple[str, str, str, str], str]]:
    """((tool, version, check, what), family)."""
    for each in row.evidence:
        record = each.record
        if record.declared or fails(record):
            check = " ".join(filter(None, (record.cell.clause, record.cell.variant)))
            release = f"{row.subject.release}, {row.subject.libraries}"
            yield (row.subject.tool, release, check, _what(record)), row.family


def _what(record: Record) -> str:
    if record.declared:
        return f"known deviation: {record.measured['declared_deviation']}"
    return f"{'fails' if record.outcome == 'differs' else 'crashed'}: {record.sentence}"
