"""Files that are read only if they can hold a run, and that appear whole or not at all."""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from reports.run.layout import RECORDS
from reports.run.tensors import refuse_pickle
from reports.untrusted import plain
from steering_core.errors import ArtifactProblem

READABLE = 0o644
"""A temporary file is its owner's alone; a run is for others too."""


def read_bytes(file: Path) -> bytes:
    """The content of a file that is neither empty nor a pickle."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ArtifactProblem(
            "artifact-unreadable", f"{plain(str(file), 200)} cannot be read: {error.strerror}",
            f"expected a run directory with {RECORDS}",
        ) from None  # fmt: skip
    if not content.strip():
        raise ArtifactProblem("artifact-empty", f"{plain(file.name, 120)} is empty", "expected a file the suite wrote")
    refuse_pickle(content, file.name)
    return content


def replace_files(directory: Path, texts: dict[str, str]) -> None:
    """Write every text under a temporary name, and only when all are on disk give them their names.

    A full disk or an unwritable directory is one ArtifactProblem and leaves what was there before as it was.
    """
    waiting: dict[str, Path] = {}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            waiting[name] = _write_aside(directory, text)
        for name, path in waiting.items():
            os.replace(path, directory / name)
    except OSError as error:
        raise ArtifactProblem(
            "artifact-unwritable", f"{plain(str(directory), 200)} cannot be written: {error.strerror}",
            "free some space or give another --run-dir; files of earlier runs are unchanged",
        ) from None  # fmt: skip
    finally:
        for path in waiting.values():
            path.unlink(missing_ok=True)


def _write_aside(directory: Path, text: str) -> Path:
    with NamedTemporaryFile("w", dir=directory, prefix=".", suffix=".part", delete=False, encoding="utf-8") as file:
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), READABLE)
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            with suppress(OSError):
                file.close()
            raise
    return Path(file.name)
