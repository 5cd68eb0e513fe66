"""What the paths on the command line hold: stored runs, published phase 1 files, published transfers."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from pydantic import ValidationError

from reports.run.artifact import read_run
from reports.run.layout import RECORDS
from reports.run.problems import refusing
from reports.run.storage import read_bytes
from reports.run.strict_json import decode, parse
from reports.study.files import FullArtifact, SummaryArtifact
from reports.study.replay import Published
from reports.study.transfer import TransferFile
from steering_core.errors import ArtifactProblem
from steering_core.records.record import Run

ACCEPTED = f"expected a run directory, its {RECORDS}, or a published artifact of the study (*.json)"


@dataclass
class Inputs:
    """Everything that was named, by kind, in the order of the command line."""

    runs: list[tuple[Path, Run]] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    transfers: list[TransferFile] = field(default_factory=list)


def read_inputs(paths: Iterable[Path]) -> Inputs:
    """Read every path; a directory that holds no run is searched for published files."""
    inputs = Inputs()
    for file in (file for path in paths for file in _expand(path)):
        if file.is_dir() or file.suffix != ".json":
            inputs.runs.append((file, read_run(file)))
            continue
        content = read_bytes(file)
        artifact = _artifact(content, file.name)
        if isinstance(artifact, TransferFile):
            inputs.transfers.append(artifact)
        else:
            inputs.published.append(Published(file.name, sha256(content).hexdigest(), artifact))
    return inputs


def _expand(path: Path) -> list[Path]:
    if not path.is_dir() or (path / RECORDS).exists():
        return [path]
    if not (files := sorted(path.glob("*.json"))):
        raise ArtifactProblem("artifact-missing", f"{path} holds no run and no published artifact", ACCEPTED)
    return files


def _artifact(content: bytes, name: str) -> TransferFile | FullArtifact | SummaryArtifact:
    value = parse(decode(content, name), name)
    fields = value if isinstance(value, dict) else {}
    model: type[TransferFile | FullArtifact | SummaryArtifact]
    if experiment := str(fields.get("experiment", "")):
        model = TransferFile if experiment.startswith("v4_transfer") else FullArtifact
    elif "summary" in fields:
        model = SummaryArtifact
    else:
        raise ArtifactProblem("artifact-shape", f"{name} is neither a run nor a published artifact", ACCEPTED)
    with refusing("artifact-fields", name, "expected the file as published", ValidationError):
        return model.model_validate_json(content, strict=True)
