"""Records files of any size are read and written line by line, and journals; what is no file of records is refused before it is read."""

import gc
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.__main__ import main
from reports.run import storage
from reports.run.artifact import read_run, write_run
from reports.run.layout import RECORDS
from reports.run.strict_json import dump
from reports.tests.synthetic_run import agreeing, build, replace
from reports.verdicts import judge
from steering_core.records.journal import JOURNAL, PLAN, Journal, read_journal
from steering_core.records.plan_file import read_plan
from steering_core.records.record import Cell, Record, Run
from steering_core.records.shared import SharedParts

LIMIT = 2**16


def refused(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line with which a path is refused."""
    assert main(["verdict", str(path)]) == 2
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    return error


def large_run() -> Run:
    """A run whose 300 records all hold the same long answers, as repeats of greedy decoding do."""
    run = agreeing()
    answers = [{"prompt": f"How do I bake a cake? ({index})", "text": "To bake a cake, " * 40} for index in range(30)]
    return replace(run, *(record.cell for record in run.records), measured={"samples": answers})


def test_equal_answers_are_kept_once(tmp_path: Path) -> None:
    write_run(tmp_path, large_run(), None)
    size = (tmp_path / RECORDS).stat().st_size
    runs: list[Run] = []
    peak = peak_of(lambda: runs.append(read_run(tmp_path)))
    assert runs == [large_run()]
    assert peak < size / 2, f"{peak} bytes for a file of {size}"


def peak_of(act: Callable[[], object]) -> int:
    """Bytes that were allocated at most meanwhile."""
    tracemalloc.start()
    act()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_a_run_is_written_line_by_line(tmp_path: Path) -> None:
    run = large_run()
    peak = peak_of(lambda: write_run(tmp_path, run, None))
    size = (tmp_path / RECORDS).stat().st_size
    assert peak < size / 4, f"{peak} bytes for a file of {size}"


def test_a_journal_is_read_line_by_line_and_equal_answers_are_kept_once(tmp_path: Path) -> None:
    journal, run = Journal(tmp_path), large_run()
    for record in run.records:
        journal.append(record.model_dump_json())
    journal.close()
    size = (tmp_path / JOURNAL).stat().st_size
    entries: list[object] = []
    assert peak_of(lambda: entries.extend(read_journal(tmp_path))) < size / 4
    assert tuple(entries) == run.records
    assert peak_of(journal.open) < size / 4
    journal.close()


def test_cells_of_records_are_those_of_the_plan(tmp_path: Path) -> None:
    write_run(tmp_path, build(), None)
    run = read_run(tmp_path)
    planned = {cell: cell for cell in run.plan.planned}
    assert all(record.cell is planned[record.cell] for record in run.records)
    assert all(cell is planned[cell] for cell in run.plan.required)


def test_a_record_that_was_read_equals_one_that_was_made(tmp_path: Path) -> None:
    write_run(tmp_path, build(), None)
    record = read_run(tmp_path).records[0]
    assert record == build().records[0]
    assert Record.model_validate_json(record.model_dump_json()) == record


def test_cells_that_were_replaced_by_those_of_the_plan_are_let_go(tmp_path: Path) -> None:
    run = build()
    (tmp_path / PLAN).write_text(run.plan.model_dump_json())
    journal = Journal(tmp_path)
    for record in run.records:
        journal.append(record.model_dump_json())
    journal.close()
    before, shared = count_cells(), SharedParts()
    plan = shared.plan(read_plan(tmp_path))
    records = read_journal(tmp_path, shared=shared)
    assert count_cells() - before == len(plan.planned) == len(records)


def count_cells() -> int:
    """Cells that are alive."""
    gc.collect()
    return sum(type(each) is Cell for each in gc.get_objects())


def test_objects_with_the_same_fields_share_the_list_of_them(tmp_path: Path) -> None:
    write_run(tmp_path, build(), None)
    run = read_run(tmp_path)
    models = [*run.plan.planned, *run.records, *judge(run).numbers]
    given = {(type(each), frozenset(each.model_fields_set)) for each in models}
    assert len({id(each.model_fields_set) for each in models}) <= len(given)


def test_a_long_plan_is_written_without_a_table_for_each_of_its_cells() -> None:
    cells = tuple(Cell(clause="P1", model=f"model{number}", tool="hooks") for number in range(5000))
    plan = build().plan.model_copy(update={"planned": cells})
    size = len(dump(plan, "plan"))
    assert dump(plan, "plan") == dump(plan.model_dump(), "plan")
    assert (peak := peak_of(lambda: dump(plan, "plan"))) < 6 * size, f"{peak} bytes for {size} characters"


def test_a_pipe_and_a_device_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    for place in (tmp_path / "pipe.json", tmp_path / RECORDS, Path("/dev/zero")):
        if not place.exists():
            os.mkfifo(place)
        assert "it is not a regular file (artifact-unreadable)" in refused(place, capsys)


def test_a_line_that_no_run_holds_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "LARGEST", LIMIT)
    for name in (RECORDS, "modal_gemma-9b_1.json"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(10 * LIMIT)
        assert "has more than 0 MiB (artifact-too-large)" in refused(tmp_path / name, capsys)


@pytest.mark.parametrize("name", ["n" * 300, "n" * 300 + ".json", "loop", "loop.json"])
def test_a_name_that_leads_nowhere_is_one_line(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if name.startswith("loop"):
        (tmp_path / name).symlink_to(tmp_path / name)
    assert "cannot be read" in refused(tmp_path / name, capsys)
