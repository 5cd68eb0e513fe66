"""Reading files that may hold a run, and writing files that appear whole or not at all."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from reports.run.layout import RECORDS
from reports.run.problems import refusing
from reports.untrusted import plain
from steering_core.errors import ArtifactProblem

PICKLE_STARTS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")
"""A pickle of protocol 2 to 5, or the zip archive that torch.save writes around one."""


LARGEST = 2**28
"""Bytes of one line of a records file, or of a file that is read whole: ten times the plan of 100,000 checks."""


def read_bytes(file: Path) -> bytes:
    """The content of a file that is neither empty, nor a pickle, nor an archive, nor too large; ArtifactProblem."""
    with open_stored(file) as stored:
        return _within_limit(stored.read(LARGEST + 1), plain(file.name, 120))


@contextmanager
def open_stored(file: Path) -> Iterator[BinaryIO]:
    """A regular file, opened; ArtifactProblem when it begins like no file that the suite wrote, or reading it fails."""
    sentence, name = f"{plain(str(file), 200)} cannot be read", plain(file.name, 120)
    with refusing("artifact-unreadable", sentence, f"expected a run directory with {RECORDS}", OSError):
        if file.exists() and not S_ISREG(file.stat().st_mode):  # reading a pipe or /dev/zero would never end
            raise OSError("it is not a regular file")
        with file.open("rb") as stored:
            start = stored.read(2**16)
            if not start.strip() and len(start) < 2**16:
                raise ArtifactProblem("artifact-empty", f"{name} is empty", "expected a file the suite wrote")
            if start.startswith(PICKLE_STARTS):
                sentence = f"{name} is a pickle or an archive and is never opened"
                raise ArtifactProblem("artifact-pickle", sentence, "expected records.jsonl, or tensors as safetensors")
            stored.seek(0)
            yield stored


def read_lines(stored: BinaryIO, name: str) -> Iterator[bytes]:
    """Every line from the start, with its newline; ArtifactProblem for one that no records file holds."""
    stored.seek(0)
    while line := stored.readline(LARGEST + 1):
        yield _within_limit(line, f"a line of {name}")


def _within_limit(content: bytes, what: str) -> bytes:
    if len(content) > LARGEST:
        sentence = f"{what} has more than {LARGEST >> 20} MiB"
        raise ArtifactProblem("artifact-too-large", sentence, "expected a file the suite wrote")
    return content


def replace_files(directory: Path, texts: Mapping[str, str | Iterator[str]]) -> None:
    """Write every text, whole or in pieces, under a temporary name, and rename them only when all are on disk.

    A full disk or an unwritable directory is one ArtifactProblem and leaves the earlier files unchanged.
    """
    parts = {name: directory / f".{name}.{os.getpid()}.part" for name in texts}
    sentence = f"{plain(str(directory), 200)} cannot be written"
    hint = "free some space or give another --run-dir; files of earlier runs are unchanged"
    with refusing("artifact-unwritable", sentence, hint, OSError):
        directory.mkdir(parents=True, exist_ok=True)
        try:
            for name, part in parts.items():
                _write(part, texts[name])
            for name, part in parts.items():
                os.replace(part, directory / name)
        finally:
            for part in parts.values():
                part.unlink(missing_ok=True)


def _write(path: Path, text: str | Iterator[str]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines([text] if isinstance(text, str) else text)
        file.flush()
        os.fsync(file.fileno())
