"""A run that disappears, is copied by a fork, or whose journal was changed ends with no verdict that it has not earned."""

import os
import shutil
from argparse import Namespace
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest

from reports.ledger import Ledger
from reports.run.artifact import read_run
from reports.run.layout import RECORDS
from reports.tests.synthetic_run import agreeing
from reports.tests.test_ledger import Config, arrive, begin, end, measured
from steering_core.records.followed import with_followed
from steering_core.records.journal import JOURNAL, PLAN
from steering_core.records.plan_file import read_plan
from steering_core.records.record import Plan


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages and the syncing of each line have other tests, and take seconds."""
    monkeypatch.setattr("reports.ledger.write_views", lambda *_: None)
    monkeypatch.setattr(os, "fsync", lambda file: None)


def ends(folder: Path, **options: Any) -> tuple[int, str]:
    """Exit status and closing text of a session in which no check ran."""
    ledger = Ledger(cast("pytest.Config", Config(folder, **options)))
    ledger.begin(hold=False)
    return end(ledger), ledger.text


@pytest.mark.parametrize("lost", ["plan.json", ""])
def test_a_run_that_disappears_while_it_is_under_way_is_an_error(tmp_path: Path, lost: str) -> None:
    run = tmp_path / "run"
    run.mkdir()
    ledger = begin(run)
    for record in agreeing().records:
        arrive(ledger, record)
    shutil.rmtree(run) if not lost else (run / lost).unlink()

    assert end(ledger) == pytest.ExitCode.INTERNAL_ERROR
    assert ledger.text.startswith(f"no verdict: {run / 'plan.json'} disappeared")


def test_a_run_that_disappears_before_its_first_record_ends_the_session_with_one_line(tmp_path: Path) -> None:
    ledger = begin(tmp_path)
    (tmp_path / PLAN).unlink()
    with pytest.raises(pytest.exit.Exception, match=r"plan.json disappeared") as caught:
        arrive(ledger, agreeing().records[0])
    assert caught.value.returncode == pytest.ExitCode.INTERNAL_ERROR
    assert end(ledger) == pytest.ExitCode.INTERNAL_ERROR


def test_a_journal_that_disappears_ends_the_session_with_one_line(tmp_path: Path) -> None:
    ledger, records = begin(tmp_path), agreeing().records
    arrive(ledger, records[0])
    (tmp_path / JOURNAL).rename(tmp_path / "elsewhere")
    with pytest.raises(pytest.exit.Exception, match=r"journal.jsonl disappeared"):
        arrive(ledger, records[1])
    ledger.journal.close()


def test_a_journal_that_something_else_writes_to_ends_the_session_with_one_line(tmp_path: Path) -> None:
    ledger, records = begin(tmp_path), agreeing().records
    arrive(ledger, records[0])
    with (tmp_path / JOURNAL).open("a") as file:
        file.write(records[1].model_dump_json() + "\n")
    with pytest.raises(pytest.exit.Exception, match=r"something else has written to .*journal.jsonl") as caught:
        arrive(ledger, records[1])
    assert caught.value.returncode == pytest.ExitCode.INTERNAL_ERROR
    ledger.journal.close()


@pytest.mark.parametrize("options", [{}, {"collectonly": True}])
def test_an_expectation_that_was_never_compared_is_an_error(tmp_path: Path, options: dict[str, Any]) -> None:
    status, text = ends(tmp_path, expect_outcome="4", **options)

    assert (status, text) == (
        pytest.ExitCode.USAGE_ERROR,
        "expected outcome 4: no check was run, so there is no verdict",
    )
    assert ends(tmp_path, **options) == (0, "")


def test_a_copy_of_the_process_writes_nothing(tmp_path: Path) -> None:
    ledger, records = begin(tmp_path), agreeing().records
    arrive(ledger, records[0])
    before = (tmp_path / JOURNAL).read_bytes()
    for act in (lambda: arrive(ledger, records[1]), lambda: end(ledger)):
        if (child := os.fork()) == 0:
            with suppress(BaseException):
                act()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1

    assert (tmp_path / JOURNAL).read_bytes() == before
    assert not (tmp_path / RECORDS).exists()
    ledger.journal.close()


def closing(ledger: Ledger) -> str:
    """The last line that a session prints."""
    lines: list[str] = []
    ledger.pytest_terminal_summary(Namespace(write_line=lines.append))
    return lines[-1].splitlines()[-1]


def test_a_changed_line_is_named_and_its_cell_measured_again(tmp_path: Path) -> None:
    first, records = begin(tmp_path), agreeing().records
    for record in records:
        arrive(first, record)
    first.journal.close()
    rows = (tmp_path / JOURNAL).read_text().splitlines(keepends=True)
    rows[3] = rows[3].replace('"outcome":"agrees"', '"outcome":"differs"')
    (tmp_path / JOURNAL).write_text("".join(rows))
    resumed = begin(tmp_path, resume=str(tmp_path))

    changed = records[2].cell
    assert set(resumed.records) == {record.cell for record in records} - {changed}
    arrive(resumed, records[2])
    assert end(resumed) == 0
    assert closing(resumed) == f"journal.jsonl was changed or damaged; measured again: line 4 ({changed.id})"
    assert set(measured(tmp_path)) == set(agreeing().plan.planned)


def test_a_record_of_a_model_that_the_plan_does_not_name_is_left_out(tmp_path: Path) -> None:
    first, records = begin(tmp_path), agreeing().records
    foreign = records[0].model_copy(update={"cell": records[0].cell.model_copy(update={"model": "another"})})
    for record in (*records, foreign):
        arrive(first, record)
    first.journal.close()
    resumed = begin(tmp_path, resume=str(tmp_path))

    assert end(resumed) == 0
    assert foreign.cell.id in closing(resumed)
    assert set(measured(tmp_path)) == set(agreeing().plan.planned)


def test_a_round_of_follow_is_judged_by_the_plan_that_it_widened(tmp_path: Path) -> None:
    run = agreeing()
    first = begin(tmp_path)
    for record in run.records:
        arrive(first, record)
    first.journal.close()
    asked = run.records[0].cell.model_copy(update={"variant": "asked for by a decision"})
    ledger = begin(tmp_path, resume=str(tmp_path), follow_round=True)
    (tmp_path / PLAN).write_text(with_followed(run.plan, [asked]).model_dump_json())

    assert end(ledger) == pytest.ExitCode.TESTS_FAILED, "the cell that was asked for has no record"
    assert asked in read_run(tmp_path).plan.planned


def test_a_resumed_run_reads_its_plan_once_and_shares_its_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, reads = begin(tmp_path), list[Path]()
    for record in agreeing().records:
        arrive(first, record)
    first.journal.close()

    def reading(folder: Path) -> Plan:
        reads.append(folder)
        return read_plan(folder)

    monkeypatch.setattr("reports.ledger.read_plan", reading)
    resumed = begin(tmp_path, resume=str(tmp_path))
    plan = resumed.plan
    assert end(resumed) == 0
    assert reads == [tmp_path]
    assert plan is not None
    assert all(cell is resumed.records[cell].cell for cell in (*plan.planned, *plan.required))
