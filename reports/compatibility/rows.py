"""The rows of the table: a tool in one version, on one stack of libraries and one family of models."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from packaging.version import InvalidVersion, Version

from reports.compatibility.columns import Column, read_columns
from reports.compatibility.source import Source
from reports.compatibility.support import Evidence, State, Support, counting
from reports.page.exports import show
from reports.sweeps.families import family_of
from steering_core.records.clauses import CLAUSES
from steering_core.records.record import Cell, Record, Value

UNKNOWN = "not recorded"
STACK = ("transformers", "torch", "python")
"""Versions beside the tool's own that a row is about."""


@dataclass(frozen=True)
class Subject:
    """What was tested. distribution: the package that `version` is of. stack: versions of STACK."""

    tool: str
    distribution: str
    version: str
    stack: tuple[str, ...]

    @property
    def release(self) -> str:
        """`nnsight 0.8.1`."""
        return f"{self.distribution} {self.version}" if self.version != UNKNOWN else "version not recorded"

    @property
    def libraries(self) -> str:
        """`transformers 5.23.0, torch 2.13.0, python 3.11.7`."""
        return ", ".join(f"{name} {version}" for name, version in zip(STACK, self.stack, strict=True))

    @property
    def age(self) -> tuple[tuple[Version, str], ...]:
        """What rows of one tool are ordered by: oldest version first, then oldest libraries."""
        return tuple((_version(text), text) for text in (self.version, *self.stack))


@dataclass(frozen=True)
class Row:
    """A line of the table, with a cell per column. models: that it was measured on."""

    subject: Subject
    family: str
    models: tuple[str, ...]
    supports: tuple[Support, ...]

    @property
    def failing(self) -> bool:
        """Whether some column fails."""
        return any(support.state is State.FAILS for support in self.supports)

    @cached_property
    def evidence(self) -> tuple[Evidence, ...]:
        """All records of its columns, each once."""
        return tuple({each.record.cell: each for support in self.supports for each in support.evidence}.values())

    @cached_property
    def missing(self) -> tuple[Cell, ...]:
        """All checks of its columns without a record, each once."""
        return tuple(dict.fromkeys(cell for support in self.supports for cell in support.missing))


def build_rows(sources: Sequence[Source]) -> list[Row]:
    """Tools by name, versions from the oldest, families by name; what was replayed from published files is left out.

    sources: oldest first. Of a check that was measured several times in one version, the last record counts.
    """
    columns = read_columns()
    records: dict[tuple[Subject, str], dict[Cell, Evidence]] = {}
    required: dict[tuple[Subject, str], tuple[Cell, ...]] = {}
    for source in sources:
        if source.replayed:
            continue
        for subject, each in _subjects(source):
            records.setdefault((subject, each.record.cell.model), {})[each.record.cell] = each
        for subject, model in {(subject, each.record.cell.model) for subject, each in _subjects(source)}:
            required[subject, model] = _required(source, subject.tool, model)
    rows = (_row(subject, family, models, columns, records, required) for subject, family, models in _families(records))
    return sorted(rows, key=lambda row: (row.subject.tool.lower(), row.subject.tool, row.subject.age, row.family))


def _row(
    subject: Subject,
    family: str,
    models: Sequence[str],
    columns: Iterable[Column],
    records: Mapping[tuple[Subject, str], Mapping[Cell, Evidence]],
    required: Mapping[tuple[Subject, str], Sequence[Cell]],
) -> Row:
    """Per column the newest record of each check that the newest run asks for, and the checks without one."""
    wanted = sorted((cell for model in models for cell in required[subject, model]), key=_order)
    known = {cell: each for model in models for cell, each in records[subject, model].items()}
    supports = []
    for column in columns:
        cells = [cell for cell in wanted if column.holds(cell)]
        evidence = tuple(known[cell] for cell in cells if cell in known)
        supports.append(Support(column, counting(column, evidence), tuple(cell for cell in cells if cell not in known)))
    return Row(subject, family, tuple(models), tuple(supports))


def _families(records: Iterable[tuple[Subject, str]]) -> Iterator[tuple[Subject, str, list[str]]]:
    """(subject, family, its models)."""
    groups: dict[tuple[Subject, str], list[str]] = {}
    for subject, model in records:
        groups.setdefault((subject, family_of(model)), []).append(model)
    for (subject, family), models in groups.items():
        yield subject, family, sorted(models)


def _required(source: Source, tool: str, model: str) -> tuple[Cell, ...]:
    """The full matrix of the run for a tool and a model, and what was recorded beyond it."""
    cells = (*source.run.plan.required, *(record.cell for record in source.run.records))
    return tuple(dict.fromkeys(cell for cell in cells if (cell.tool, cell.model) == (tool, model) and not cell.other))


def _subjects(source: Source) -> Iterator[tuple[Subject, Evidence]]:
    """Each record of one tool with what it is about. A check that was skipped has no version of its own: it gets the
    one that its run recorded for the tool."""
    records = source.run.records
    told = {(record.cell.tool, record.cell.model): subject for record in records if (subject := _told(record))}
    for number, record in enumerate(records):
        if (tool := record.cell.tool) and not record.cell.other:
            unknown = Subject(tool, tool, UNKNOWN, (UNKNOWN,) * len(STACK))
            subject = _told(record) or told.get((tool, record.cell.model), unknown)
            yield subject, Evidence(record, source, source.line(number))


def _order(cell: Cell) -> tuple[int, str, str]:
    """Clauses in the order of the protocol, so that no order of runs or plans decides what a cell quotes first."""
    return list(CLAUSES).index(cell.clause), cell.variant or "", cell.model


def _told(record: Record) -> Subject | None:
    """The tool, version and libraries that a record names; None where it names none."""
    tools, tool = record.provenance.get("tools"), record.cell.tool or ""
    entry = tools.get(tool) if isinstance(tools, dict) else None
    if not isinstance(entry, dict):
        return None
    own = entry.get("stack")
    libraries = own if isinstance(own, dict) else record.provenance
    stack = tuple(_text(libraries.get(name)) for name in STACK[:-1]) + (_minor(_text(libraries.get("python"))),)
    return Subject(tool, _text(entry.get("distribution")), _text(entry.get("version")), stack)


def _text(value: Value) -> str:
    return UNKNOWN if value is None else show(value)


def _minor(python: str) -> str:
    """`3.11` of `3.11.7`: a patch release is no other stack."""
    return ".".join(python.split(".")[:2])


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        return Version("0")
