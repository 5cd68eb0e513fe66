"""The records file: a header, one record per line, a footer that seals them; and each way in which it can be broken."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from pydantic import ValidationError

from reports.run.layout import RECORDS, Footer, Header
from reports.run.strict_json import decode, dump, first_error, parse
from reports.untrusted import plain
from steering_core.errors import ArtifactProblem
from steering_core.records.clauses import CLAUSES
from steering_core.records.record import SCHEMA, Cell, Record, Run


def serialize_run(run: Run, tensors: dict[str, str]) -> str:
    """The text of records.jsonl: header, one line per record, footer."""
    header = Header(schema=1, plan=run.plan, environment=run.environment)
    lines = [dump(header.model_dump(by_alias=True), f"{RECORDS} header")]
    lines += [dump(record.model_dump(), f"the record of {record.cell.id}") for record in run.records]
    body = "".join(f"{line}\n" for line in lines)
    footer = Footer(records=len(run.records), sha256=sha256(body.encode()).hexdigest(), tensors=tensors)
    return body + dump(footer.model_dump(), f"{RECORDS} footer") + "\n"


def parse_run(content: bytes, name: str) -> tuple[Header, list[Record], Footer]:
    """Header, records and footer of a records file, in the order in which their faults are told apart."""
    lines = decode(content, name).removesuffix("\n").split("\n")
    header = _header(parse(lines[0], f"{name} line 1"), name)
    footer = _footer(lines[-1], name)
    raw = [parse(line, f"{name} line {number}") for number, line in enumerate(lines[1:-1], start=2)]
    _check_kinds(raw, name)
    _check_footer(footer, content, lines, name)
    records = [_record(value, f"{name} line {number}") for number, value in enumerate(raw, start=2)]
    _check_cells(records, header, name)
    return header, records, footer


def _header(value: Any, name: str) -> Header:
    if not isinstance(value, dict) or value.get("kind") != "header":
        raise ArtifactProblem("artifact-header", f"{name} does not begin with a header line", "expected a records file")
    found = value.get("schema")
    if type(found) is not int or found != SCHEMA:
        newer = type(found) is int and found > SCHEMA
        hint = "a newer suite wrote it: update this one" if newer else f"expected schema {SCHEMA}"
        raise ArtifactProblem("artifact-schema", f"{name} has schema {plain(repr(found), 40)}", hint)
    try:
        return Header.model_validate_json(dump(value, name), strict=True)
    except ValidationError as error:
        raise ArtifactProblem("artifact-fields", f"{name} line 1: {first_error(error)}", "see schema.json") from None


def _footer(line: str, name: str) -> Footer:
    try:
        return Footer.model_validate_json(line, strict=True)
    except ValidationError:
        raise ArtifactProblem(
            "artifact-truncated", f"{name} has no valid footer as its last line: the run was cut short",
            "resume the run, or copy the file again",
        ) from None  # fmt: skip


def _check_kinds(raw: list[Any], name: str) -> None:
    for number, value in enumerate(raw, start=2):
        if isinstance(value, dict) and "kind" in value:
            raise ArtifactProblem(
                "artifact-mixed", f"{name} line {number} is another {plain(str(value['kind']), 20)}: runs were mixed",
                "join runs with: python -m reports merge A B --into C",
            )  # fmt: skip


def _check_footer(footer: Footer, content: bytes, lines: list[str], name: str) -> None:
    if footer.records != (count := len(lines) - 2):
        raise ArtifactProblem(
            "artifact-count", f"{name} holds {count} records, its footer says {footer.records}", "copy the file again"
        )
    body = content[: len(content.rstrip(b"\n")) - len(lines[-1].encode())]
    if sha256(body).hexdigest() != footer.sha256:
        raise ArtifactProblem(
            "artifact-digest",
            f"{name} does not have the sha256 that its footer recorded: it was changed",
            "copy it again",
        )


def _record(value: Any, where: str) -> Record:
    try:
        return Record.model_validate_json(dump(value, where), strict=True)
    except ValidationError as error:
        raise ArtifactProblem("artifact-fields", f"{where}: {first_error(error)}", "see schema.json") from None


def _check_cells(records: list[Record], header: Header, name: str) -> None:
    seen: set[Cell] = set()
    for cell in (record.cell for record in records):
        for wrong in _faults(cell, seen, header):
            raise ArtifactProblem(
                "artifact-cell", f"{name}: {plain(cell.id, 100)} {wrong}", "one run has one record per cell"
            )
        seen.add(cell)


def _faults(cell: Cell, seen: set[Cell], header: Header) -> Iterator[str]:
    if cell in seen:
        yield "is recorded twice"
    if cell.clause not in CLAUSES:
        yield "names a clause that does not exist"
    if cell.model not in header.plan.models:
        yield "is of a model that the plan does not name"
