"""Reading files that may hold a run, and writing files that appear whole or not at all."""

import os
from pathlib import Path

from reports.run.layout import RECORDS
from reports.run.problems import refusing
from reports.untrusted import plain
from steering_core.errors import ArtifactProblem

PICKLE_STARTS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")
"""A pickle of protocol 2 to 5, or the zip archive that torch.save writes around one."""


def read_bytes(file: Path) -> bytes:
    """The content of a file that is neither empty, nor a pickle, nor an archive; ArtifactProblem otherwise."""
    sentence = f"{plain(str(file), 200)} cannot be read"
    with refusing("artifact-unreadable", sentence, f"expected a run directory with {RECORDS}", OSError):
        content = file.read_bytes()
    if not content.strip():
        raise ArtifactProblem("artifact-empty", f"{plain(file.name, 120)} is empty", "expected a file the suite wrote")
    if content.startswith(PICKLE_STARTS):
        sentence = f"{plain(file.name, 120)} is a pickle or an archive and is never opened"
        raise ArtifactProblem("artifact-pickle", sentence, "expected records.jsonl, or tensors as safetensors")
    return content


def replace_files(directory: Path, texts: dict[str, str]) -> None:
    """Write every text under a temporary name, and rename them only when all are on disk.

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


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
