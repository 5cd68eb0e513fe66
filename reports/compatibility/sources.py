"""The stored runs that a table is made of."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from reports.run.artifact import check_ended, read_run
from reports.run.layout import RECORDS
from reports.run.storage import read_bytes
from reports.untrusted import plain
from steering_core.errors import ArtifactProblem, SuiteError
from steering_core.records.record import Run

EPOCH = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class Source:
    """A run. file: its records. sha256: of that file."""

    name: str
    file: Path
    sha256: str
    run: Run

    @property
    def started(self) -> datetime:
        """When its first check began."""
        return min((record.started for record in self.run.records), default=EPOCH)

    @property
    def replayed(self) -> bool:
        """Whether its numbers were read from published files, and not measured."""
        return bool(self.run.environment.get("replayed"))


def read_sources(paths: Iterable[Path], passed_over: list[str]) -> list[Source]:
    """Every run that is named or lies below a named folder, oldest first; each file once.

    passed_over: gets a sentence for each folder below a named one whose run cannot be read. ArtifactProblem for a named
    run that cannot be read, and where there is no run at all.
    """
    named = list(paths)
    found: dict[Path, Source] = {}
    for path in named:
        for source in _read(path, passed_over):
            found.setdefault(source.file.resolve(), source)
    if not found:
        others = f" ({plain('; '.join(passed_over), 400)})" if passed_over else ""
        sentence = f"no finished run in {plain(', '.join(map(str, named)), 300)}{others}"
        raise ArtifactProblem("artifact-missing", sentence, "run directories, or a folder that holds some")
    return sorted(found.values(), key=lambda source: source.started)


def _read(path: Path, passed_over: list[str]) -> Iterator[Source]:
    check_ended(path)
    if not path.is_dir() or (path / RECORDS).exists():
        yield _source(path)
        return
    for folder in sorted(each for each in path.iterdir() if each.is_dir()):
        try:
            check_ended(folder)
            if (folder / RECORDS).exists():
                yield _source(folder)
        except SuiteError as problem:
            passed_over.append(problem.sentence)


def _source(path: Path) -> Source:
    run = read_run(path)
    file = path / RECORDS if path.is_dir() else path
    return Source(plain(file.resolve().parent.name, 80), file, sha256(read_bytes(file)).hexdigest(), run)
