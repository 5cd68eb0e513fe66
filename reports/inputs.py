"""What a path on the command line is: a stored run, a published phase 1 file, or a published transfer."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from reports.run.artifact import read_run
from reports.run.layout import RECORDS
from reports.run.storage import read_bytes
from reports.run.strict_json import decode, first_error, parse
from reports.study.files import FullArtifact, SummaryArtifact
from reports.study.replay import Published, PublishedFile
from reports.study.transfer import TransferFile
from steering_core.errors import ArtifactProblem
from steering_core.records.record import Run

Model = TypeVar("Model", bound=BaseModel)
ACCEPTED = f"expected a run directory, its {RECORDS}, or a published artifact of the study (*.json)"


@dataclass
class Inputs:
    """Everything that was named, sorted by kind, in the order in which it was named."""

    runs: list[tuple[Path, Run]] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    transfers: list[TransferFile] = field(default_factory=list)


def read_inputs(paths: Iterable[Path]) -> Inputs:
    """Read every path; a directory that holds no run is searched for published files."""
    inputs = Inputs()
    for path in paths:
        for file in _expand(path):
            _read(file, inputs)
    return inputs


def _expand(path: Path) -> list[Path]:
    if not path.is_dir() or (path / RECORDS).exists():
        return [path]
    if not (found := sorted(path.glob("*.json"))):
        raise ArtifactProblem("artifact-missing", f"{path} holds no run and no published artifact", ACCEPTED)
    return found


def _read(file: Path, inputs: Inputs) -> None:
    if file.is_dir() or file.suffix != ".json":
        inputs.runs.append((file, read_run(file)))
        return
    content = read_bytes(file)
    value = parse(decode(content, file.name), file.name)
    experiment = str(value.get("experiment", "")) if isinstance(value, dict) else ""
    if experiment.startswith("v4_transfer"):
        inputs.transfers.append(_validated(TransferFile, content, file.name))
    elif experiment:
        inputs.published.append((_source(file, content), _validated(FullArtifact, content, file.name)))
    elif isinstance(value, dict) and "summary" in value:
        inputs.published.append((_source(file, content), _validated(SummaryArtifact, content, file.name)))
    else:
        raise ArtifactProblem("artifact-shape", f"{file.name} is neither a run nor a published artifact", ACCEPTED)


def _source(file: Path, content: bytes) -> PublishedFile:
    return PublishedFile(file.name, sha256(content).hexdigest())


def _validated(model: type[Model], content: bytes, name: str) -> Model:
    try:
        return model.model_validate_json(content, strict=True)
    except ValidationError as error:
        raise ArtifactProblem(
            "artifact-fields", f"{name}: {first_error(error)}", "expected the file as published"
        ) from None
