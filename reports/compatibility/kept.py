"""The results behind a table, kept small: one file per tool, version and libraries, with what a table shows of each check.

A table made of these files is that of the runs which they were taken from. The numbers and the provenance of each check
are in the records of the runs, which the files name by their sha256.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import Field, ValidationError

from reports.compatibility.badge import file_names
from reports.compatibility.rows import STACK, Row, Subject
from reports.compatibility.source import KeptRun, Source
from reports.page.groups import group_by
from reports.run.problems import refusing
from reports.run.storage import read_bytes
from reports.run.strict_json import decode, dump, parse
from reports.untrusted import plain
from steering_core.records.record import Cell, Frozen, Outcome, Record, Run, Value

SUFFIX = ".results.jsonl"
SCHEMA: Final = 1
DEVIATION = "declared_deviation"
ENVIRONMENTS = "stacks"
"""Where the commands of docs/tool-python.md have the environments of tools; another machine's folders help nobody."""


class Header(Frozen):
    """First line. missing: {model: (clause, variant) of the checks of the full matrix without a record}."""

    kind: Literal["results"] = "results"
    schema_version: Literal[1] = Field(default=SCHEMA, alias="schema")
    tool: str
    distribution: str
    version: str
    stack: dict[str, str]
    runs: tuple[KeptRun, ...]
    missing: dict[str, tuple[tuple[str, str | None], ...]] = Field(default_factory=dict)


class Result(NamedTuple):
    """run: its number in the header. line: of the record in the records file of the run."""

    run: Annotated[int, Field(ge=0)]
    line: int
    outcome: Outcome
    sentence: str
    deviation: str = ""


class Check(Frozen):
    """A further line: a check on every model. test: its node id, with `{model}` for the model's name."""

    clause: str
    variant: str | None = None
    test: str = ""
    models: dict[str, Result]


def list_kept(rows: Sequence[Row]) -> dict[str, str]:
    """{name: text} of the files of these rows."""
    groups = group_by(rows, lambda row: row.subject)
    names = file_names([_name(subject) for subject in groups], SUFFIX).values()
    return {name: _text(subject, group) for name, (subject, group) in zip(names, groups.items(), strict=True)}


def read_kept(file: Path) -> list[Source]:
    """The runs that a file of results is from, with what it holds of them; ArtifactProblem if it is no such file."""
    name = plain(file.name, 120)
    lines = [parse(line, f"{name} line {n}") for n, line in enumerate(decode(read_bytes(file), name).splitlines(), 1)]
    refused = ("artifact-value", f"{name} is no file of results", "expected one that --keep wrote")
    with refusing(*refused, ValidationError, IndexError):
        header, checks = Header.model_validate(lines[0]), [Check.model_validate(line) for line in lines[1:]]
        found: list[list[tuple[int, Record]]] = [[] for _ in header.runs]
        for check in checks:
            for model, result in check.models.items():
                found[result.run].append((result.line, _record(header, check, model, result)))
    required = tuple(_required(header, checks))
    in_order = [sorted(group, key=lambda each: each[0]) for group in found]
    return [_source(file, run, group, required) for run, group in zip(header.runs, in_order, strict=True)]


def _name(subject: Subject) -> str:
    stack = "-".join(f"{name}-{version}" for name, version in zip(STACK, subject.stack, strict=True))
    return f"{subject.tool}-{subject.version}-{stack}"


def _text(subject: Subject, rows: Sequence[Row]) -> str:
    """Runs from the oldest, checks in the order of the columns."""
    evidence = [each for row in rows for each in row.evidence]
    sources = sorted({each.source for each in evidence}, key=lambda source: source.age)
    models: dict[tuple[str, str | None, str], dict[str, Result]] = {}
    for each in evidence:
        record, cell = each.record, each.record.cell
        known = str(record.measured[DEVIATION]) if record.declared else ""
        result = Result(sources.index(each.source), each.line, record.outcome, record.sentence, known)
        test = record.nodeid.replace(cell.model, "{model}")
        models.setdefault((cell.clause, cell.variant, test), {})[cell.model] = result
    header = Header(
        tool=subject.tool,
        distribution=subject.distribution,
        version=subject.version,
        stack=dict(zip(STACK, subject.stack, strict=True)),
        runs=tuple(_kept_run(source, subject.tool) for source in sources),
        missing=_missing(cell for row in rows for cell in row.missing),
    )
    checks = [
        Check(clause=clause, variant=variant, test=test, models=each)
        for (clause, variant, test), each in models.items()
    ]
    return "\n".join(map(_line, (header, *checks))) + "\n"


def _line(value: Frozen) -> str:
    """JSON without what is left at its default; the marks of the first line stay."""
    marks = {"kind": value.kind, "schema": value.schema_version} if isinstance(value, Header) else {}
    return dump(marks | value.model_dump(mode="json", by_alias=True, exclude_defaults=True), SUFFIX)


def _missing(cells: Iterable[Cell]) -> dict[str, tuple[tuple[str, str | None], ...]]:
    groups = group_by(cells, lambda cell: cell.model)
    return {model: tuple((cell.clause, cell.variant) for cell in group) for model, group in groups.items()}


def _kept_run(source: Source, tool: str) -> KeptRun:
    if source.kept:
        return source.kept
    plan, environment = source.run.plan, source.run.environment
    options = tuple((name, _portable(value) if name == "--tool-python" else value) for name, value in plan.options)
    own = [record.provenance for record in source.run.records if record.cell.tool == tool]
    return KeptRun(
        name=source.name,
        sha256=source.sha256,
        started=source.started,
        records=source.records,
        plan=plan.model_copy(update={"required": (), "planned": (), "followed": (), "options": options}),
        commit=environment.get("commit"),
        dirty=bool(environment.get("dirty")),
        **{name: next((str(each[name]) for each in own if name in each), "") for name in ("dtype", "device")},
    )


def _portable(value: str) -> str:
    """`TOOL=stacks/repeng/bin/python` of `TOOL=/home/me/repeng/bin/python`."""
    tool, _, python = value.rpartition("=")
    path = PurePath(python)
    return f"{tool}={PurePath(ENVIRONMENTS, *path.parts[-3:]).as_posix()}" if path.is_absolute() else value


def _source(file: Path, kept: KeptRun, found: Sequence[tuple[int, Record]], required: tuple[Cell, ...]) -> Source:
    environment = {"commit": kept.commit, "dirty": kept.dirty}
    own = {name: value for name in ("dtype", "device") if (value := getattr(kept, name))}
    records = tuple(
        record.model_copy(update={"started": kept.started, "provenance": record.provenance | own})
        for _, record in found
    )
    run = Run(plan=kept.plan.model_copy(update={"required": required}), records=records, environment=environment)
    return Source(kept.name, file, kept.sha256, run, kept, tuple(line for line, _ in found))


def _record(header: Header, check: Check, model: str, result: Result) -> Record:
    entry: dict[str, Value] = {"distribution": header.distribution, "version": header.version, "stack": header.stack}
    return Record(
        cell=Cell(clause=check.clause, model=model, tool=header.tool, variant=check.variant),
        outcome=result.outcome,
        sentence=result.sentence,
        measured={DEVIATION: result.deviation} if result.deviation else {},
        nodeid=check.test.replace("{model}", model),
        provenance={"tools": {header.tool: entry}},
    )


def _required(header: Header, checks: Iterable[Check]) -> Iterable[Cell]:
    """All checks of the file's tool: those with a result, and those without."""
    named = [(check.clause, model, check.variant) for check in checks for model in check.models]
    named += [(clause, model, variant) for model, each in header.missing.items() for clause, variant in each]
    return (Cell(clause=clause, model=model, tool=header.tool, variant=variant) for clause, model, variant in named)
