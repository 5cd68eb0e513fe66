"""A run on disk: written all at once or not at all, and read back only if it is whole."""

from pathlib import Path

from reports.run.checklist import build_checklist
from reports.run.layout import CHECKLIST, RECORDS, SCHEMAS, VERDICT
from reports.run.records_file import parse_run, serialize_run
from reports.run.schema import json_schemas
from reports.run.storage import read_bytes, replace_files
from reports.run.strict_json import dump
from reports.run.tensors import check_tensors, list_tensors
from reports.verdicts import Verdict
from steering_core.records.record import Run


def write_run(directory: Path, run: Run, verdict: Verdict | None) -> None:
    """Write records, verdict, checklist and schemas; each file appears whole, and earlier ones stay until then.

    Without a verdict, because the rules could not be applied, the records are written and an earlier verdict goes.
    Raises ArtifactProblem when the directory cannot be written, the disk is full, or a measurement is not finite.
    """
    records = serialize_run(run, list_tensors(directory))
    texts = {SCHEMAS: dump(json_schemas(), SCHEMAS) + "\n", RECORDS: records}
    if verdict is not None:
        texts[VERDICT] = dump(verdict.model_dump(), VERDICT) + "\n"
        texts[CHECKLIST] = dump(build_checklist(run).model_dump(), CHECKLIST) + "\n"
    replace_files(directory, texts)
    for name in {VERDICT, CHECKLIST} - set(texts):
        (directory / name).unlink(missing_ok=True)


def read_run(path: Path) -> Run:
    """A stored run, from its directory or its records file; ArtifactProblem names what is wrong with it.

    A directory is verified whole, tensor files included. A records file named by itself is verified by itself, with
    those of its tensor files that lie beside it.
    """
    whole = path.is_dir()
    file = path / RECORDS if whole else path
    header, records, footer = parse_run(read_bytes(file), file.name)
    check_tensors(file.parent, footer.tensors, complete=whole)
    return Run(plan=header.plan, records=tuple(records), environment=header.environment)
