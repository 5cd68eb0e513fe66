"""A run on disk: written all at once or not at all, and read only if it is complete."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from reports.run.checklist import Checklist, build_checklist
from reports.run.layout import CHECKLIST, RECORDS, SCHEMAS, VERDICT, Footer, Header
from reports.run.records_file import parse_run, serialize_run
from reports.run.storage import open_stored, replace_files
from reports.run.strict_json import dump
from reports.run.tensors import check_tensors, list_tensors
from reports.run.v3_schema import V3Result
from reports.untrusted import plain
from reports.verdicts import Verdict
from steering_core.errors import ArtifactProblem
from steering_core.records.journal import PLAN
from steering_core.records.record import Frozen, Record, Run


def write_run(directory: Path, run: Run, verdict: Verdict | None) -> None:
    """Write records, verdict, checklist and schemas; each file appears whole, and earlier ones stay until then.

    verdict: None when the rules could not be applied; an earlier verdict and checklist are then removed.
    Raises ArtifactProblem when the directory cannot be written, the disk is full, or a measurement is not finite.
    """
    texts: dict[str, str | Iterator[str]] = {RECORDS: serialize_run(run, list_tensors(directory))}
    texts[SCHEMAS] = dump(json_schemas(), SCHEMAS) + "\n"
    if verdict is not None:
        texts[VERDICT] = _text(lambda: verdict, VERDICT)
        texts[CHECKLIST] = _text(lambda: build_checklist(run), CHECKLIST)
    replace_files(directory, texts)
    for name in {VERDICT, CHECKLIST} - set(texts):
        (directory / name).unlink(missing_ok=True)


def read_run(path: Path) -> Run:
    """A stored run, from its directory or its records file; ArtifactProblem names what is wrong with it.

    A directory is verified completely, tensor files included; a records file together with those of its tensor files
    that lie beside it.
    """
    check_ended(path)
    complete = path.is_dir()
    file = path / RECORDS if complete else path
    with open_stored(file) as stored:
        header, records, footer = parse_run(stored, plain(file.name, 120))
    check_tensors(file.parent, footer.tensors, complete=complete)
    return Run(plan=header.plan, records=tuple(records), environment=header.environment)


def _text(make: Callable[[], Frozen], name: str) -> Iterator[str]:
    """Made and written after the records, which name what is wrong with one of them."""
    yield dump(make(), name)
    yield "\n"


def check_ended(path: Path) -> None:
    """ArtifactProblem for the directory of a run that was killed or is under way: its records are in its journal."""
    if path.is_dir() and not (path / RECORDS).exists() and (path / PLAN).exists():
        sentence = f"{plain(str(path), 200)} holds a run that has not ended"
        hint = "resume it: repeat its command with --resume and this directory"
        raise ArtifactProblem("artifact-unfinished", sentence, hint)


def json_schemas() -> dict[str, Any]:
    """JSON Schema of every file or line that the suite writes, from the models that read and write them."""
    lines: dict[str, type[Frozen]] = {"first line": Header, "line": Record, "last line": Footer}
    models = {f"{RECORDS} {line}": model for line, model in lines.items()}
    models |= {VERDICT: Verdict, CHECKLIST: Checklist, "export --v3": V3Result}
    return {name: model.model_json_schema(by_alias=True, mode="serialization") for name, model in models.items()}
