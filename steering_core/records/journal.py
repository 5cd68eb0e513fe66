"""The journal of a run: one line per finished record, on the disk before the next one, so that kill -9 loses none.

Lines are only ever appended. A last line without its newline was being written when the process died, and is ignored.
A line that is not as it was written (see `chain`) counts as if it were missing, so that its cell is measured again.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from typing import Literal

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from steering_core.errors import ArtifactProblem, UsageProblem
from steering_core.records.chain import holds, link_of, seal, unsealed
from steering_core.records.record import Cell, Frozen, Outcome, Record
from steering_core.records.shared import SharedParts

PLAN = "plan.json"
REQUEST = "request.json"
JOURNAL = "journal.jsonl"
LOCK = "run.lock"
FINAL = (Outcome.AGREES, Outcome.DIFFERS, Outcome.UNSUPPORTED, Outcome.NOT_OFFERED)


class SessionStart(Frozen):
    """A process began or resumed the run. usd_per_hour: the price of all its GPUs."""

    kind: Literal["session"] = "session"
    started: datetime
    usd_per_hour: float = 0.0


@dataclass(frozen=True)
class DamagedLine:
    """A line that is not as it was written. number: counted from 1. cell: the id of the cell that it names, if any."""

    number: int
    cell: str = ""


JournalEntry = SessionStart | Record | DamagedLine
_JOURNAL_ENTRY: TypeAdapter[SessionStart | Record] = TypeAdapter(SessionStart | Record)


class Journal:
    """The journal of one run directory, written by one process at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / JOURNAL
        self.lock = FileLock(folder / LOCK, timeout=0)
        self.file: int | None = None
        self.previous = ""
        self.size = 0
        """Bytes that this process knows the file to have."""

    def open(self) -> None:
        """Reserve the run directory for this process, and cut off a line that a killed one left half written.

        UsageProblem when another process holds it, or nothing can be written there.
        """
        if self.file is not None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.lock.acquire()
            self.file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            size, last = 0, b""
            for line in _complete_lines(self.path):
                size, last = size + len(line) + 1, line
            os.ftruncate(self.file, size)
            self.size, self.previous = size, link_of(last) if size else ""
        except Timeout:
            sentence, hint = f"{self.folder} is in use by another process", "wait for it, or choose another --run-dir"
            raise UsageProblem("run-held", sentence, hint) from None
        except OSError as error:
            sentence = f"{self.folder} cannot be written: {error.strerror}"
            raise UsageProblem("run-dir", sentence, "choose another --run-dir") from None

    def append(self, line: str) -> None:
        """Add one line of JSON; it is on the disk when this returns, whole or not at all."""
        self.open()
        assert self.file is not None
        size = os.fstat(self.file).st_size
        if not self._is_there():
            hint = "run again in a directory that nothing else removes"
            raise ArtifactProblem("run-gone", f"{self.path} disappeared during the run", hint)
        if size != self.size:
            hint = "run again in a directory that only the run writes to"
            raise ArtifactProblem("journal-changed", f"something else has written to {self.path} during the run", hint)
        sealed = seal(line, self.previous).encode()
        try:
            _write(self.file, sealed + b"\n")
            os.fsync(self.file)
            self.size, self.previous = size + len(sealed) + 1, link_of(sealed)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self.file, size)
            sentence = f"{self.path} cannot be written: {error.strerror}"
            hint = "finished checks are kept: free some space and continue with --resume"
            raise ArtifactProblem("journal-write", sentence, hint) from None

    def _is_there(self) -> bool:
        """Whether the path still names the open file: what is written to a removed one is lost."""
        assert self.file is not None
        with suppress(OSError):
            return os.path.samestat(self.path.stat(), os.fstat(self.file))
        return False

    def close(self) -> None:
        """Release the run directory; one that holds no run is removed."""
        if self.file is None:
            return
        with suppress(OSError):
            if {path.name for path in self.folder.iterdir()} <= {JOURNAL, LOCK} and not os.fstat(self.file).st_size:
                # Removed while still locked: a process that starts now is refused, a later one makes a new directory.
                self.path.unlink()
                (self.folder / LOCK).unlink()
                self.folder.rmdir()
        os.close(self.file)
        self.file = None
        self.lock.release()


def read_journal(folder: Path, lines: int | None = None, shared: SharedParts | None = None) -> list[JournalEntry]:
    """The first `lines` entries, or all; a torn last line is left out, any other one that is damaged is named.

    shared: what else the process keeps of the run.
    """
    path, shared = folder / JOURNAL, shared or SharedParts()
    entries, previous = list[JournalEntry](), ""
    for number, line in enumerate(islice(_complete_lines(path), lines) if path.exists() else (), start=1):
        entry = _entry(line, number, previous)
        entries.append(shared.record(entry) if isinstance(entry, Record) else entry)
        previous = link_of(line)
    return entries


def finished(entries: Iterable[JournalEntry]) -> dict[Cell, Record]:
    """The records that a resumed run keeps: measured, unsupported or not offered, or blocked by one of these.

    Cells that crashed are tried again, and so are cells never tried: a library was missing, or the budget was spent.
    """
    latest = {entry.cell: entry for entry in entries if isinstance(entry, Record)}
    final = {cell.id for cell, record in latest.items() if record.outcome in FINAL}

    def is_kept(record: Record) -> bool:
        blocker = (record.blocked_by or "").partition(": ")[0]
        return record.outcome in FINAL or (record.outcome is Outcome.ABSENT and blocker in final)

    return {cell: record for cell, record in latest.items() if is_kept(record)}


def in_order(records: dict[Cell, Record], planned: Sequence[Cell]) -> tuple[Record, ...]:
    """Records in the plan's order, whatever order they arrived in."""
    place = {cell: index for index, cell in enumerate(planned)}
    return tuple(sorted(records.values(), key=lambda record: place.get(record.cell, len(place))))


def _complete_lines(path: Path) -> Iterator[bytes]:
    """Each without its newline; ArtifactProblem for anything but a regular file, which may never end."""
    if not S_ISREG(path.stat().st_mode):
        raise ArtifactProblem("journal", f"{path} is not a regular file", "put the run's own journal back")
    with path.open("rb") as file:
        yield from (line[:-1] for line in file if line.endswith(b"\n"))


def _write(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]


def _entry(line: bytes, number: int, previous: str) -> JournalEntry:
    try:
        entry = _JOURNAL_ENTRY.validate_json(unsealed(line))
    except ValidationError:
        return DamagedLine(number)
    if holds(line, previous):
        return entry
    return DamagedLine(number, entry.cell.id if isinstance(entry, Record) else "")
