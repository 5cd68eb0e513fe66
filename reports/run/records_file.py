"""The records file: a header, one record per line, and a footer that seals them; each defect is refused by name."""

from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from typing import BinaryIO, NamedTuple, TypeVar

from pydantic import ValidationError

from reports.run.layout import RECORDS, Footer, Header
from reports.run.problems import refusing
from reports.run.storage import read_lines
from reports.run.strict_json import decode, dump, parse
from reports.run.upgrade import schema_of, upgrade_record
from reports.untrusted import plain
from steering_core.errors import ArtifactProblem
from steering_core.records.clauses import CLAUSES
from steering_core.records.record import SCHEMA, Frozen, Record, Run
from steering_core.records.shared import SharedParts

Line = TypeVar("Line", bound=Frozen)


class Extent(NamedTuple):
    """How far a file reaches: its last line, the number of lines before that, and their sha256."""

    last: bytes
    lines: int
    sha256: str


def serialize_run(run: Run, tensors: dict[str, str]) -> Iterator[str]:
    """The lines of records.jsonl, each with its newline: header, one per record, footer."""
    digest = sha256()
    for line in _sealed_lines(run):
        digest.update(line.encode())
        yield line
    footer = Footer(records=len(run.records), sha256=digest.hexdigest(), tensors=tensors)
    yield dump(footer, f"{RECORDS} footer") + "\n"


def _sealed_lines(run: Run) -> Iterator[str]:
    header = {"kind": "header", "schema": SCHEMA, "plan": run.plan, "environment": run.environment}
    yield dump(header, f"{RECORDS} header") + "\n"
    for record in run.records:
        yield dump(record, f"the record of {record.cell.id}") + "\n"


def parse_run(stored: BinaryIO, name: str) -> tuple[Header, list[Record], Footer]:
    """Header, records and footer of a records file of any schema; ArtifactProblem names its first defect.

    The file is read twice, line by line: its end first, because that says whether it is whole.
    """
    shared = SharedParts()
    header, schema = _parse_header(decode(next(read_lines(stored, name)), name), name)
    header = header.model_copy(update={"plan": shared.plan(header.plan)})
    extent, truncated = _measure(stored, name), f"{name} was cut short, its last line is not a footer"
    hint = "resume the run, or copy the file again"
    with refusing("artifact-truncated", truncated, hint, ValidationError):
        footer = Footer.model_validate_json(extent.last, strict=True)
    whole = (footer.records, footer.sha256) == (extent.lines - 1, extent.sha256)
    records = []
    for place, text in _record_lines(stored, name, extent.lines):
        _check_kind(parse(text, place), place)
        if whole:
            records.append(upgrade_record(shared.record(_validated(Record, text, place)), schema))
    if not whole:
        _refuse_changed(footer, extent, name)
    _check_cells(records, header, name)
    return header, records, footer


def _parse_header(text: str, name: str) -> tuple[Header, int]:
    """The header, and the schema that the file was written in."""
    where = f"{name} line 1"
    first = parse(text, where)
    if not isinstance(first, dict) or first.get("kind") != "header":
        raise ArtifactProblem("artifact-header", f"{name} does not begin with a header line", "expected a records file")
    if (schema := schema_of(first, name)) != SCHEMA:
        text = dump({**first, "schema": SCHEMA}, where)
    del first  # with the cells of a large run a hundred megabytes, and they are built once more now
    return _validated(Header, text, where), schema


def _measure(stored: BinaryIO, name: str) -> Extent:
    digest, count, last = sha256(), -1, b""
    for line in read_lines(stored, name):
        digest.update(last)
        count, last = count + 1, line
    return Extent(last.removesuffix(b"\n"), count, digest.hexdigest())


def _record_lines(stored: BinaryIO, name: str, end: int) -> Iterator[tuple[str, str]]:
    """(its name, its text) of every line between header and footer."""
    for number, line in enumerate(islice(read_lines(stored, name), 1, end), start=2):
        yield f"{name} line {number}", decode(line, name)


def _validated(model: type[Line], text: str, where: str) -> Line:
    """A line as its model; from JSON, because pydantic's strict mode accepts dates and enums as text only there."""
    try:
        return model.model_validate_json(text, strict=True)
    except ValidationError:  # half a surrogate pair, which `dump` replaces, or a defect
        with refusing("artifact-fields", where, "see schema.json", ValidationError):
            return model.model_validate_json(dump(parse(text, where), where), strict=True)


def _check_kind(value: object, place: str) -> None:
    if isinstance(value, dict) and "kind" in value:
        sentence = f"{place} is a second {plain(str(value['kind']), 20)}: runs were mixed"
        raise ArtifactProblem("artifact-mixed", sentence, "join runs with: python -m reports merge A B --into C")


def _refuse_changed(footer: Footer, extent: Extent, name: str) -> None:
    if footer.records != (count := extent.lines - 1):
        sentence = f"{name} holds {count} records, but its footer counts {footer.records}"
        raise ArtifactProblem("artifact-count", sentence, "copy the file again")
    sentence = f"{name} was changed: it does not have the sha256 that its footer recorded"
    raise ArtifactProblem("artifact-digest", sentence, "copy the file again")


def _check_cells(records: list[Record], header: Header, name: str) -> None:
    counts, models = Counter(record.cell for record in records), set(header.plan.models)
    defects = {
        "is recorded twice": [cell for cell, count in counts.items() if count > 1],
        "names a clause that does not exist": [cell for cell in counts if cell.clause not in CLAUSES],
        "is of a model that the plan does not name": [cell for cell in counts if cell.model not in models],
    }
    for defect, cells in defects.items():
        if cells:
            sentence = f"{name}: {plain(cells[0].id, 100)} {defect}"
            raise ArtifactProblem("artifact-cell", sentence, "expected one record per check of the plan")
