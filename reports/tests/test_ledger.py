"""The ledger: each record is on disk as it arrives, and the records on disk decide the exit status."""

import errno
import os
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from reports.ledger import Ledger
from reports.run.artifact import read_run
from reports.run.layout import RECORDS, VERDICT
from reports.tests.synthetic_run import agreeing
from steering_core.errors import ArtifactProblem
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.journal import PLAN, SessionStart, read_journal
from steering_core.records.record import Cell, Outcome, Record
from steering_core.records.wire import as_property

UNSET = ("resume", "numprocesses", "budget_usd", "gpu_hour_usd", "wandb", "expect_outcome")
DEFAULTS = {**dict.fromkeys(UNSET), "gpu": False, "collectonly": False, "follow_round": False}


class Config:
    """The part of pytest's config that the ledger uses."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.option = Namespace(**{**DEFAULTS, "run_dir": str(folder), **options})
        self.pluginmanager = Namespace(get_plugin=lambda name: None)

    def getoption(self, name: str, default: Any = None) -> Any:
        return getattr(self.option, name, default)


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages and the syncing of each line have other tests, and take seconds."""
    monkeypatch.setattr("reports.ledger.write_views", lambda *_: None)
    monkeypatch.setattr(os, "fsync", lambda file: None)


def begin(folder: Path, **options: Any) -> Ledger:
    (folder / PLAN).write_text(agreeing().plan.model_dump_json())
    ledger = Ledger(cast("pytest.Config", Config(folder, **options)))
    ledger.begin(hold=True)
    return ledger


def arrive(ledger: Ledger, record: Record, when: str = "call") -> None:
    properties = [("other", 1), as_property(record)]
    ledger.pytest_runtest_logreport(cast("pytest.TestReport", Namespace(when=when, user_properties=properties)))


def end(ledger: Ledger, status: int = 0) -> int:
    session = Namespace(exitstatus=pytest.ExitCode(status), shouldfail=False, shouldstop=False)
    ledger.pytest_sessionfinish(cast("pytest.Session", session))
    ledger.pytest_unconfigure()
    return int(session.exitstatus)


def measured(folder: Path) -> list[Cell]:
    """The stored cells, without those that the audit adds."""
    cells = (record.cell for record in read_run(folder).records)
    return [cell for cell in cells if CLAUSES[cell.clause].stage is not Stage.EVIDENCE]


def test_each_record_is_in_the_journal_once_it_arrived(tmp_path: Path) -> None:
    ledger = begin(tmp_path)
    for count, record in enumerate(agreeing().records[:3], start=1):
        arrive(ledger, record)
        arrive(ledger, record, when="teardown")
        start, *records = read_journal(tmp_path)
        assert isinstance(start, SessionStart)
        assert tuple(records) == agreeing().records[:count]
    ledger.journal.close()


def test_equal_parts_of_records_are_kept_once(tmp_path: Path) -> None:
    ledger = begin(tmp_path)
    for record in agreeing().records[:2]:
        arrive(ledger, record.model_copy(update={"provenance": {"digests": ["a" * 300]}}))
    first, second = ledger.records.values()
    assert first.provenance is second.provenance
    assert first.cell is ledger.plan.planned[0] is ledger.plan.required[0]  # type: ignore[union-attr]
    ledger.journal.close()


def test_records_are_stored_in_the_order_of_the_plan(tmp_path: Path) -> None:
    ledger = begin(tmp_path)
    for record in reversed(agreeing().records):
        arrive(ledger, record)

    assert end(ledger) == 0
    order = {cell: index for index, cell in enumerate(agreeing().plan.planned)}
    assert measured(tmp_path) == sorted(order, key=order.__getitem__)
    assert ledger.text.startswith("OUTCOME 4")


@pytest.mark.parametrize(("status", "printed"), [(pytest.ExitCode.INTERRUPTED, True), (pytest.ExitCode.OK, False)])
def test_an_interrupted_session_ends_with_the_command_that_continues_it(
    status: int, printed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "a run"
    folder.mkdir()
    ledger, planned = begin(folder), len(agreeing().plan.planned)
    arrive(ledger, agreeing().records[0])

    end(ledger, int(status))
    line = f"\nContinue  pytest parity --resume 'a run'   # {planned - 1} of {planned} checks left"
    assert ledger.text.endswith(line) == printed
    assert ("Continue" in ledger.text) == printed


@pytest.mark.parametrize("problem", [ArtifactProblem("x", "the rules do not apply", "y"), RuntimeError("a bug")])
def test_records_are_stored_when_they_cannot_be_judged(
    tmp_path: Path, problem: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(run: object, **more: object) -> None:
        raise problem

    ledger = begin(tmp_path)
    (tmp_path / VERDICT).write_text("of an earlier session")
    for record in agreeing().records:
        arrive(ledger, record)
    monkeypatch.setattr("reports.ledger.judge", refuse)
    if isinstance(problem, ArtifactProblem):
        assert end(ledger) == pytest.ExitCode.INTERNAL_ERROR
        assert ledger.text == "no verdict: the rules do not apply (x); y"
    else:
        with pytest.raises(RuntimeError, match="a bug"):
            end(ledger)
        ledger.journal.close()

    assert set(measured(tmp_path)) == set(agreeing().plan.planned)
    assert not (tmp_path / VERDICT).exists()


def test_a_full_disk_ends_the_session_with_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    ledger, records = begin(tmp_path), agreeing().records
    arrive(ledger, records[0])
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(pytest.exit.Exception, match=r"journal.jsonl cannot be written: No space left") as caught:
        arrive(ledger, records[1])

    assert caught.value.returncode == pytest.ExitCode.INTERNAL_ERROR
    assert end(ledger) == pytest.ExitCode.INTERNAL_ERROR
    assert ledger.text.startswith("no verdict: ")
    assert "cannot be written: No space left on device" in ledger.text
    assert [entry for entry in read_journal(tmp_path) if isinstance(entry, Record)] == [records[0]]


CHANGES: dict[str, tuple[int, Callable[[Record], dict[str, Any]]]] = {
    "all held": (0, lambda record: {}),
    "one differed": (1, lambda record: {"outcome": Outcome.DIFFERS}),
    "one crashed": (1, lambda record: {"outcome": Outcome.ERRORED}),
    "one was not reached": (1, lambda record: {"outcome": Outcome.ABSENT, "measured": {}}),
    "one is declared": (0, lambda record: {"outcome": Outcome.DIFFERS, "measured": {"declared_deviation": "it does"}}),
}


@pytest.mark.parametrize(("status", "change"), CHANGES.values(), ids=list(CHANGES))
@pytest.mark.parametrize("pytests", [0, 5])
def test_a_resumed_session_exits_as_if_every_cell_had_run_in_it(
    tmp_path: Path, status: int, change: Callable[[Record], dict[str, Any]], pytests: int
) -> None:
    first = begin(tmp_path)
    for record in agreeing().records:
        changed = change(record) if record.cell.clause == "S1" else {}
        arrive(first, record.model_copy(update=changed))
    first.journal.close()

    assert end(begin(tmp_path, resume=str(tmp_path)), pytests) == status


def test_a_refused_session_leaves_the_run_unchanged(tmp_path: Path) -> None:
    assert end(begin(tmp_path), pytest.ExitCode.USAGE_ERROR) == pytest.ExitCode.USAGE_ERROR
    assert not (tmp_path / RECORDS).exists()
