"""What the paths on the command line hold: stored runs, published phase 1 files, transfers and tables."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from reports.engines.cells import EngineFile, looks_like
from reports.run.artifact import check_ended, read_run
from reports.run.layout import RECORDS
from reports.run.problems import refusing
from reports.run.storage import read_bytes
from reports.run.strict_json import decode, parse
from reports.study.contradictions import Artifact, refuse_contradictions
from reports.study.files import FullArtifact
from reports.study.replay import Published
from reports.study.summary import SummaryArtifact
from reports.study.tables import NamedTable
from reports.study.tables_file import TableFile
from reports.study.transfer import NamedFile, TransferFile
from reports.untrusted import plain
from steering_core.errors import ArtifactProblem
from steering_core.records.record import Run

ACCEPTED = (
    f"expected a run directory, its {RECORDS}, or a published file: the study's, or interp-engine's results (*.json)"
)
MOST_FILES = 10_000
"""Of a directory and the directories below it."""


@dataclass
class Inputs:
    """Everything that was named, by kind, in the order of the command line.

    passed_over: files of a directory that are no artifact, each with the reason.
    """

    runs: list[tuple[Path, Run]] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    transfers: list[NamedFile] = field(default_factory=list)
    tables: list[NamedTable] = field(default_factory=list)
    engines: list[EngineFile] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)


def read_inputs(paths: Iterable[Path]) -> Inputs:
    """Read every path; a directory that holds no run is searched for published files."""
    inputs = Inputs()
    for path in paths:
        check_ended(path)
        if path.is_dir() and not (path / RECORDS).exists():
            _add_directory(inputs, path)
        elif path.is_dir() or path.suffix != ".json":
            inputs.runs.append((path, read_run(path)))
        else:
            _add(inputs, path, *_recognize(path))
    return inputs


def _add_directory(inputs: Inputs, folder: Path) -> None:
    """Every artifact of a directory; other files are passed over, but a damaged artifact is refused."""
    artifacts = 0
    for file in _files(folder):
        try:
            content, kind = _recognize(file)
        except ArtifactProblem as problem:
            inputs.passed_over.append(problem.sentence)
            continue
        _add(inputs, file, content, kind)
        artifacts += 1
    if not artifacts:
        others = f" ({'; '.join(inputs.passed_over)})" if inputs.passed_over else ""
        sentence = f"{plain(str(folder), 200)} holds no run and no published artifact{plain(others, 400)}"
        raise ArtifactProblem("artifact-missing", sentence, ACCEPTED)


def _files(folder: Path) -> list[Path]:
    """The JSON files of a directory; of those below it, where it has none itself. ArtifactProblem for too many."""
    found = list(islice(folder.glob("*.json"), MOST_FILES + 1)) or list(islice(folder.rglob("*.json"), MOST_FILES + 1))
    if len(found) > MOST_FILES:
        sentence = f"{plain(str(folder), 200)} holds more than {MOST_FILES} JSON files"
        raise ArtifactProblem("artifact-many", sentence, "name a smaller directory")
    return sorted(found)


def _recognize(file: Path) -> tuple[bytes, type[Artifact] | type[EngineFile]]:
    """A file's content, and which artifact it says it is; ArtifactProblem when it is none."""
    content = read_bytes(file)
    value = parse(decode(content, file.name), file.name)
    fields = value if isinstance(value, dict) else {}
    experiment = str(fields.get("experiment", ""))
    if experiment.startswith("v4_transfer"):
        return content, TransferFile
    if experiment == "published_table":
        return content, TableFile
    if experiment == "v4_tooling_parity":
        return content, FullArtifact
    if "summary" in fields and not experiment:
        return content, SummaryArtifact
    if looks_like(fields):
        return content, EngineFile
    sentence = f"{plain(file.name, 120)} is neither a run nor a published artifact"
    raise ArtifactProblem("artifact-shape", sentence, ACCEPTED)


def _add(inputs: Inputs, file: Path, content: bytes, kind: type[Artifact] | type[EngineFile]) -> None:
    name = plain(file.name, 120)
    with refusing("artifact-fields", name, "expected the file as published", ValidationError):
        artifact = kind.model_validate_json(content, strict=True)
    if isinstance(artifact, EngineFile):
        inputs.engines.append(artifact)
        return
    refuse_contradictions(artifact, name)
    if isinstance(artifact, TransferFile):
        inputs.transfers.append(NamedFile(file.name, artifact))
    elif isinstance(artifact, TableFile):
        inputs.tables.append(NamedTable(file.name, sha256(content).hexdigest(), artifact))
    else:
        inputs.published.append(Published(file.name, sha256(content).hexdigest(), artifact))
