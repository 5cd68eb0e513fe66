"""The journal keeps every complete line, ignores a torn one, and has one owner."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from steering_core.errors import ArtifactProblem, UsageProblem
from steering_core.places import ROOT
from steering_core.records.journal import (
    JOURNAL,
    LOCK,
    DamagedLine,
    Journal,
    SessionStart,
    finished,
    in_order,
    read_journal,
)
from steering_core.records.record import Cell, Outcome, Record


def record(clause: str, outcome: Outcome = Outcome.AGREES, **more: Any) -> Record:
    return Record(cell=Cell(clause=clause, model="tiny", tool="hooks"), outcome=outcome, **more)


def write(folder: Path, *records: Record) -> Journal:
    journal = Journal(folder)
    for entry in records:
        journal.append(entry.model_dump_json())
    return journal


def test_entries_are_read_back_in_order(tmp_path: Path) -> None:
    start = SessionStart(started=datetime(2026, 1, 1, tzinfo=UTC), usd_per_hour=2.0)
    journal = Journal(tmp_path / "run")
    journal.append(start.model_dump_json())
    journal.append(record("P1").model_dump_json())
    journal.close()
    write(tmp_path / "run", record("P2")).close()

    entries = read_journal(tmp_path / "run")
    assert entries[0] == start
    assert [entry.cell.clause for entry in entries[1:] if isinstance(entry, Record)] == ["P1", "P2"]
    assert len(read_journal(tmp_path / "run", lines=2)) == 2
    assert read_journal(tmp_path / "elsewhere") == []


def test_each_line_is_on_the_disk_before_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_size))
    journal = write(tmp_path, record("P1"), record("P2"))

    assert len(synced) == 2
    assert synced[-1] == (tmp_path / JOURNAL).stat().st_size > synced[0] > 0
    journal.close()


@pytest.mark.parametrize("length", [1, 40, -1])
def test_a_torn_last_line_is_ignored_and_overwritten(tmp_path: Path, length: int) -> None:
    write(tmp_path, record("P1")).close()
    torn = record("P2").model_dump_json().encode()[:length]
    (tmp_path / JOURNAL).write_bytes((tmp_path / JOURNAL).read_bytes() + torn)

    assert [entry.cell.clause for entry in read_journal(tmp_path) if isinstance(entry, Record)] == ["P1"]
    write(tmp_path, record("P3")).close()
    assert [entry.cell.clause for entry in read_journal(tmp_path) if isinstance(entry, Record)] == ["P1", "P3"]


CLAUSES = ("P1", "P2", "P3")
LINES = Callable[[list[bytes]], list[bytes]]
DAMAGE: dict[str, tuple[LINES, dict[int, str]]] = {
    "another outcome": (lambda rows: [rows[0], rows[1].replace(b"agrees", b"differs"), rows[2]], {2: "P2 tiny hooks"}),
    "another digit": (
        lambda rows: [rows[0].replace(b'_seconds":0.0', b'_seconds":1.0'), *rows[1:]],
        {1: "P1 tiny hooks"},
    ),
    "another digest": (
        lambda rows: [rows[0][:-4] + b'00"}', *rows[1:]],
        {1: "P1 tiny hooks", 2: "P2 tiny hooks"},
    ),
    "no digest": (
        lambda rows: [rows[0].partition(b',"chain"')[0] + b"}", *rows[1:]],
        {1: "P1 tiny hooks", 2: "P2 tiny hooks"},
    ),
    "no JSON": (lambda rows: [rows[0], b"\x00" * 40, rows[2]], {2: "", 3: "P3 tiny hooks"}),
    "nothing": (lambda rows: [rows[0], b"", rows[2]], {2: "", 3: "P3 tiny hooks"}),
    "in front": (lambda rows: [b"{}", *rows], {1: "", 2: "P1 tiny hooks"}),
    "removed": (lambda rows: [rows[0], rows[2]], {2: "P3 tiny hooks"}),
    "repeated": (lambda rows: [rows[0], rows[0], *rows[1:]], {2: "P1 tiny hooks"}),
    "exchanged": (
        lambda rows: [rows[1], rows[0], rows[2]],
        {1: "P2 tiny hooks", 2: "P1 tiny hooks", 3: "P3 tiny hooks"},
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_line_that_is_not_as_it_was_written_is_named_and_does_not_count(tmp_path: Path, name: str) -> None:
    write(tmp_path, *map(record, CLAUSES)).close()
    damage, named = DAMAGE[name]
    file = tmp_path / JOURNAL
    before = file.read_bytes().split(b"\n")[:-1]
    changed = damage(list(before))
    assert changed != before
    file.write_bytes(b"".join(row + b"\n" for row in changed))

    entries = read_journal(tmp_path)
    assert {entry.number: entry.cell for entry in entries if isinstance(entry, DamagedLine)} == named
    kept = {cell.id for cell in finished(entries)}
    assert kept == {f"{clause} tiny hooks" for clause in CLAUSES if before[CLAUSES.index(clause)] in changed} - {
        cell for number, cell in named.items() if changed.count(changed[number - 1]) == 1
    }

    write(tmp_path, record("P4")).close()
    last = read_journal(tmp_path)[-1]
    assert isinstance(last, Record), "what is written after the damage counts"


def test_a_full_disk_is_one_error_and_leaves_complete_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, real_write = write(tmp_path, record("P1")), os.write
    before = (tmp_path / JOURNAL).read_bytes()

    def full(file: int, content: bytes) -> int:
        if len(content) > 50:
            return real_write(file, content[:50])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("steering_core.records.journal.os.write", full)
    with pytest.raises(ArtifactProblem, match=r"No space left on device \(journal-write\); .*--resume"):
        journal.append("x" * 90)
    assert (tmp_path / JOURNAL).read_bytes() == before
    journal.close()


@pytest.mark.parametrize("kind", ["a pipe", "a device"])
def test_a_journal_that_never_ends_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "journal.jsonl"
    if kind == "a pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")

    with pytest.raises(ArtifactProblem, match=r"journal.jsonl is not a regular file"):
        read_journal(tmp_path)
    with pytest.raises(ArtifactProblem, match=r"journal.jsonl is not a regular file"):
        Journal(tmp_path).open()


def test_a_directory_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageProblem, match=r"cannot be written: .*\(run-dir\)"):
        Journal(tmp_path / "file" / "run").open()


HOLD = """
import sys, time
from pathlib import Path
from steering_core.records.journal import Journal
journal = Journal(Path(sys.argv[1]))
journal.open()
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout
        assert first.stdout.readline() == "held\n"
        try:
            with pytest.raises(UsageProblem, match=r"in use by another process \(run-held\)"):
                Journal(tmp_path).open()
        finally:
            first.kill()

    journal = Journal(tmp_path)
    journal.open()
    assert (tmp_path / LOCK).exists(), "the lock file of a killed process does not block"
    journal.close()


def test_a_directory_without_a_run_is_removed(tmp_path: Path) -> None:
    empty, used = Journal(tmp_path / "empty"), Journal(tmp_path / "used")
    for journal in (empty, used):
        journal.open()
    (tmp_path / "used" / "plan.json").write_text("{}")
    empty.close()
    used.close()

    assert sorted(path.name for path in tmp_path.iterdir()) == ["used"]


def test_measured_cells_are_kept_and_crashed_or_untried_ones_are_not() -> None:
    measured = [record("P1", Outcome.DIFFERS), record("P2"), record("P3", Outcome.UNSUPPORTED)]
    blocked = record("D1", Outcome.ABSENT, blocked_by=f"{measured[0].cell.id}: it differs")
    crashed, untried = record("P4", Outcome.ERRORED), record("P5", Outcome.ABSENT)
    blocked_by_crash = record("D2", Outcome.ABSENT, blocked_by=f"{crashed.cell.id}: it crashed")

    kept = finished([*measured, blocked, crashed, untried, blocked_by_crash])

    assert list(kept.values()) == [*measured, blocked]


def test_the_last_record_of_a_cell_counts() -> None:
    kept = finished([record("P1", Outcome.ERRORED), record("P1")])

    assert [entry.outcome for entry in kept.values()] == [Outcome.AGREES]


def test_records_are_sorted_in_the_plans_order() -> None:
    records = {entry.cell: entry for entry in (record("P3"), record("P1"), record("P2"))}
    planned = [record(clause).cell for clause in ("P1", "P2", "P3")]

    assert [entry.cell for entry in in_order(records, planned)] == planned
