"""The journal of a run: one line per finished record, on the disk before the next one, so that kill -9 loses none.

Lines are only ever added. A last line without its newline was being written when the process died, and is ignored.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from steering_core.errors import ArtifactProblem, UsageProblem
from steering_core.records.record import Cell, Frozen, Outcome, Record

PLAN = "plan.json"
REQUEST = "request.json"
JOURNAL = "journal.jsonl"
LOCK = "run.lock"


class SessionStart(Frozen):
    """A process began the run, or went on with it. usd_per_hour: the price of all its GPUs."""

    kind: Literal["session"] = "session"
    started: datetime
    usd_per_hour: float = 0.0


JournalEntry = SessionStart | Record
_JOURNAL_ENTRY: TypeAdapter[JournalEntry] = TypeAdapter(JournalEntry)


class Journal:
    """The journal of one run directory, written by one process at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / JOURNAL
        self.lock = FileLock(folder / LOCK, timeout=0)
        self.file: int | None = None

    def open(self) -> None:
        """Hold the run directory for this process, and cut off what a killed one left half written.

        UsageProblem when another process holds it, or nothing can be written there.
        """
        if self.file is not None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.lock.acquire()
            self.file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            os.ftruncate(self.file, len(_whole(self.path)))
        except Timeout:
            raise UsageProblem(
                "run-held", f"{self.folder} is in use by another process", "wait for it, or choose another --run-dir"
            ) from None
        except OSError as error:
            raise UsageProblem(
                "run-dir", f"{self.folder} cannot be written: {error.strerror}", "choose another --run-dir"
            ) from None

    def append(self, line: str) -> None:
        """Add one line of JSON; it is on the disk when this returns, whole or not at all."""
        self.open()
        assert self.file is not None
        size = os.fstat(self.file).st_size
        try:
            _write(self.file, line.encode() + b"\n")
            os.fsync(self.file)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self.file, size)
            raise ArtifactProblem(
                "journal-write", f"{self.path} cannot be written: {error.strerror}",
                "the cells before are kept: free some space and go on with --resume",
            ) from None  # fmt: skip

    def close(self) -> None:
        """Let the run directory go; one that holds no run is removed."""
        if self.file is None:
            return
        with suppress(OSError):
            if {path.name for path in self.folder.iterdir()} <= {JOURNAL, LOCK} and not os.fstat(self.file).st_size:
                # Still held: whoever comes now is refused, whoever comes later makes a new directory.
                self.path.unlink()
                (self.folder / LOCK).unlink()
                self.folder.rmdir()
        os.close(self.file)
        self.file = None
        self.lock.release()


def read_journal(folder: Path, lines: int | None = None) -> list[JournalEntry]:
    """The first `lines` entries, or all; ArtifactProblem for a line that does not read, a torn last one excepted."""
    path = folder / JOURNAL
    if not path.exists():
        return []
    return [_entry(line, number, path) for number, line in enumerate(_whole(path).split(b"\n")[:-1][:lines], start=1)]


def finished(entries: Iterable[JournalEntry]) -> dict[Cell, Record]:
    """The records that a resumed run keeps: measured or unsupported, or blocked by one of these.

    What crashed is tried again, and so is what was never tried: its library was missing, or the budget was spent.
    """
    latest = {entry.cell: entry for entry in entries if isinstance(entry, Record)}
    done = (Outcome.AGREES, Outcome.DIFFERS, Outcome.UNSUPPORTED)
    ids = {cell.id for cell, record in latest.items() if record.outcome in done}
    return {
        cell: record
        for cell, record in latest.items()
        if record.outcome in done
        or (record.outcome is Outcome.ABSENT and record.blocked_by and record.blocked_by.partition(": ")[0] in ids)
    }


def in_order(records: dict[Cell, Record], planned: Sequence[Cell]) -> tuple[Record, ...]:
    """Records in the plan's order, whatever order they arrived in."""
    place = {cell: index for index, cell in enumerate(planned)}
    return tuple(sorted(records.values(), key=lambda record: place.get(record.cell, len(place))))


def _whole(path: Path) -> bytes:
    content = path.read_bytes()
    return content[: content.rfind(b"\n") + 1]


def _write(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]


def _entry(line: bytes, number: int, path: Path) -> JournalEntry:
    try:
        return _JOURNAL_ENTRY.validate_json(line)
    except ValidationError:
        raise ArtifactProblem(
            "journal-line", f"{path} line {number} does not read", "restore the file, or run again in a new --run-dir"
        ) from None
