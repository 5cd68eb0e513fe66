"""The records file: a header, one record per line, and a footer that seals them; each defect is refused by name."""

from collections import Counter
from hashlib import sha256
from typing import Any, TypeVar

from pydantic import ValidationError

from reports.run.layout import RECORDS, Footer, Header
from reports.run.problems import refusing
from reports.run.strict_json import decode, dump, parse
from reports.run.upgrade import schema_of, upgrade_record
from reports.untrusted import plain
from steering_core.errors import ArtifactProblem
from steering_core.records.clauses import CLAUSES
from steering_core.records.record import SCHEMA, Frozen, Record, Run

Line = TypeVar("Line", bound=Frozen)


def serialize_run(run: Run, tensors: dict[str, str]) -> str:
    """The text of records.jsonl: header, one line per record, footer."""
    header = Header(plan=run.plan, environment=run.environment)
    lines = [dump(header.model_dump(by_alias=True), f"{RECORDS} header")]
    lines += [dump(record.model_dump(), f"the record of {record.cell.id}") for record in run.records]
    body = "".join(f"{line}\n" for line in lines)
    footer = Footer(records=len(run.records), sha256=sha256(body.encode()).hexdigest(), tensors=tensors)
    return body + dump(footer.model_dump(), f"{RECORDS} footer") + "\n"


def parse_run(content: bytes, name: str) -> tuple[Header, list[Record], Footer]:
    """Header, records and footer of a records file of any schema; ArtifactProblem names its first defect."""
    lines = decode(content, name).removesuffix("\n").split("\n")
    first = parse(lines[0], f"{name} line 1")
    if not isinstance(first, dict) or first.get("kind") != "header":
        raise ArtifactProblem("artifact-header", f"{name} does not begin with a header line", "expected a records file")
    schema = schema_of(first, name)
    header = _validated(Header, {**first, "schema": SCHEMA}, f"{name} line 1")
    truncated = ("artifact-truncated", f"{name} was cut short, its last line is not a footer")
    with refusing(*truncated, "resume the run, or copy the file again", ValidationError):
        footer = Footer.model_validate_json(lines[-1], strict=True)
    places = [f"{name} line {number}" for number in range(2, len(lines))]
    values = [parse(line, place) for line, place in zip(lines[1:-1], places, strict=True)]
    _check_kinds(values, places)
    _check_footer(footer, content, lines, name)
    records = [_validated(Record, value, place) for value, place in zip(values, places, strict=True)]
    _check_cells(records, header, name)
    return header, [upgrade_record(record, schema) for record in records], footer


def _validated(model: type[Line], value: Any, where: str) -> Line:
    """A line as its model; through JSON, because pydantic's strict mode accepts dates and enums as text only there."""
    with refusing("artifact-fields", where, "see schema.json", ValidationError):
        return model.model_validate_json(dump(value, where), strict=True)


def _check_kinds(values: list[Any], places: list[str]) -> None:
    for value, place in zip(values, places, strict=True):
        if isinstance(value, dict) and "kind" in value:
            sentence = f"{place} is a second {plain(str(value['kind']), 20)}: runs were mixed"
            raise ArtifactProblem("artifact-mixed", sentence, "join runs with: python -m reports merge A B --into C")


def _check_footer(footer: Footer, content: bytes, lines: list[str], name: str) -> None:
    if footer.records != (count := len(lines) - 2):
        sentence = f"{name} holds {count} records, but its footer counts {footer.records}"
        raise ArtifactProblem("artifact-count", sentence, "copy the file again")
    body = content[: len(content.rstrip(b"\n")) - len(lines[-1].encode())]
    if sha256(body).hexdigest() != footer.sha256:
        sentence = f"{name} was changed: it does not have the sha256 that its footer recorded"
        raise ArtifactProblem("artifact-digest", sentence, "copy the file again")


def _check_cells(records: list[Record], header: Header, name: str) -> None:
    counts = Counter(record.cell for record in records)
    defects = {
        "is recorded twice": [cell for cell, count in counts.items() if count > 1],
        "names a clause that does not exist": [cell for cell in counts if cell.clause not in CLAUSES],
        "is of a model that the plan does not name": [cell for cell in counts if cell.model not in header.plan.models],
    }
    for defect, cells in defects.items():
        if cells:
            sentence = f"{name}: {plain(cells[0].id, 100)} {defect}"
            raise ArtifactProblem("artifact-cell", sentence, "expected one record per cell of the plan")
