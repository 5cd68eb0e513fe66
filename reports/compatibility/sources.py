"""Reading the stored runs that a table is made of: run directories, records files, and what is kept of runs."""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

from reports.compatibility.kept import SUFFIX, read_kept
from reports.compatibility.source import Source
from reports.run.artifact import check_ended, read_run
from reports.run.layout import RECORDS
from reports.run.storage import read_bytes
from reports.untrusted import plain
from steering_core.errors import ArtifactProblem, SuiteError


def read_sources(paths: Iterable[Path], passed_over: list[str]) -> list[Source]:
    """Every run that is named or lies below a named folder, oldest first; each once.

    passed_over: gets a sentence for each folder below a named one whose run cannot be read. ArtifactProblem for a named
    run that cannot be read, and where there is no run at all.
    """
    named = list(paths)
    found: dict[tuple[Path, str], Source] = {}
    for path in named:
        for source in _read(path, passed_over):
            found.setdefault((source.file.resolve(), source.sha256), source)
    if not found:
        others = f" ({plain('; '.join(passed_over), 400)})" if passed_over else ""
        sentence = f"no finished run in {plain(', '.join(map(str, named)), 300)}{others}"
        raise ArtifactProblem("artifact-missing", sentence, "run directories, or a folder that holds some")
    return sorted(found.values(), key=lambda source: source.age)


def _read(path: Path, passed_over: list[str]) -> Iterator[Source]:
    check_ended(path)
    if not path.is_dir() or (path / RECORDS).exists():
        yield from _sources(path)
        return
    for entry in sorted(path.iterdir()):
        try:
            check_ended(entry)
            if (entry / RECORDS).exists() or (entry.name.endswith(SUFFIX) and entry.is_file()):
                yield from _sources(entry)
        except SuiteError as problem:
            passed_over.append(problem.sentence)


def _sources(path: Path) -> list[Source]:
    if path.name.endswith(SUFFIX) and not path.is_dir():
        return read_kept(path)
    run = read_run(path)
    file = path / RECORDS if path.is_dir() else path
    return [Source(plain(file.resolve().parent.name, 80), file, sha256(read_bytes(file)).hexdigest(), run)]
