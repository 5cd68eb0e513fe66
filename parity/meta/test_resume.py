"""A run that is killed at any moment resumes where it stopped: no finished cell is lost, none is run again."""

import json
import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from parity.meta.forked_runs import ForkedRuns, wait_for
from parity.meta.shares import in_part
from steering_core.errors import UsageProblem
from steering_core.records.journal import Journal

KILLS = int(os.environ.get("PARITY_KILLS", "8"))
"""`make campaign` asks for more."""
SEEDS = [pytest.param(20, marks=in_part(0, 2)), pytest.param(21, marks=in_part(1, 2))]
"""One run per seed, so that neither ends before its last kill."""
SHORT, LONG = 0.03, 1.5
TIMES = ("started", "wall_seconds", "peak_memory_bytes")
CHECKS = "(preflight_site or preflight_tools or preflight_tokens or directions) and not r1"
ONE = ("parity", "-m", "tiny_qwen2", "-q", "-k", CHECKS, "--tools", "hooks,nnsight", "--repeats", "1")
WAIT = "wait for it, or choose another --run-dir"


@pytest.fixture(scope="module")
def whole(runs: ForkedRuns, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    status = runs.run(*ONE, "--run-dir", str(folder / "run"), log=folder / "log")
    assert status == 0, (folder / "log").read_text()
    return folder / "run"


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def timeless(folder: Path) -> list[dict[str, Any]]:
    """The records of a run without the fields in which two equal runs may differ."""
    rows = lines(folder / "records.jsonl")[1:-1]
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


def audited(row: dict[str, Any]) -> bool:
    """Whether a record comes from the audit, which is repeated whenever the run is judged."""
    return bool(row["cell"]["clause"].startswith("V"))


def count_cells(rows: list[dict[str, Any]]) -> Counter[str]:
    return Counter(json.dumps(row["cell"]) for row in rows if "cell" in row)


def recorded(run: Path) -> int:
    """How many records the journal holds."""
    journal = run / "journal.jsonl"
    return journal.read_bytes().count(b'\n{"cell":') if journal.exists() else 0


def start_and_kill(runs: ForkedRuns, run: Path, length: int, share: float) -> bool:
    """Start or resume a run, and kill it shortly after its journal has `length` records; whether it added any.

    share: the fraction of the longest delay that passes first. Where the journal is that long already, the kill hits
    startup or the first cells.
    """
    before, log = recorded(run), run.parent / "log"
    started = runs.start(*ONE, "--resume" if (run / "plan.json").exists() else "--run-dir", str(run), log=log)
    assert wait_for(lambda: recorded(run) >= length, started), log.read_text()
    time.sleep(share * (LONG if before >= length else SHORT))
    assert runs.kill(started) == -9, log.read_text()
    return recorded(run) > before


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_runs_resume_without_losing_or_repeating_cells(
    seed: int, runs: ForkedRuns, whole: Path, tmp_path: Path
) -> None:
    cells, run, chance = recorded(whole), tmp_path / "run", random.Random(seed)
    kills_amid_cells = 0
    for more in chance.choices((0, 1, 2), k=KILLS // len(SEEDS)):
        kills_amid_cells += start_and_kill(runs, run, min(recorded(run) + more, cells - 6), chance.random())
    status = runs.run(*ONE, "--resume", str(run), log=tmp_path / "log")

    assert status == 0, (tmp_path / "log").read_text()
    assert timeless(run) == timeless(whole)
    assert set(count_cells(lines(run / "journal.jsonl")).values()) == {1}, "a finished cell was run again"
    assert lines(run / "records.jsonl")[-1]["tensors"] == lines(whole / "records.jsonl")[-1]["tensors"]
    assert kills_amid_cells >= KILLS // len(SEEDS) // 4, "too few kills hit a process between two cells"


def test_resuming_a_complete_run_only_judges_it_again(runs: ForkedRuns, whole: Path, tmp_path: Path) -> None:
    files = [whole / name for name in ("journal.jsonl", "plan.json", "request.json", "verdict.json")]
    records, before = timeless(whole), [file.read_bytes() for file in files]
    (whole / "verdict.json").unlink()

    assert runs.run(*ONE, "--resume", str(whole), log=tmp_path / "log") == 0
    assert [file.read_bytes() for file in files] == before
    assert timeless(whole) == records
    assert "SELECTED CHECKS PASSED" in (tmp_path / "log").read_text()
    assert "deselected in" in (tmp_path / "log").read_text().splitlines()[-1]


def test_resuming_with_a_different_option_is_refused_and_names_it(
    runs: ForkedRuns, whole: Path, tmp_path: Path
) -> None:
    before = (whole / "records.jsonl").read_bytes()
    status = runs.run(*ONE, "--batch-size", "7", "--resume", str(whole), log=tmp_path / "log")

    printed = (tmp_path / "log").read_text().strip()
    assert (status, printed.count("\n")) == (4, 0), printed
    assert "--batch-size was 30, is 7 (resume-differs); it was started with: pytest " in printed
    assert (whole / "records.jsonl").read_bytes() == before


def test_a_run_directory_is_used_by_one_process_at_a_time(runs: ForkedRuns, tmp_path: Path) -> None:
    log, run = tmp_path / "log", tmp_path / "run"
    started = runs.start(*ONE, "--run-dir", str(run), log=log)
    assert wait_for(lambda: recorded(run) >= 1, started), log.read_text()
    with pytest.raises(UsageProblem, match="is in use by another process"):
        Journal(run).open()
    assert runs.kill(started) == -9

    journal = Journal(run)
    journal.open()
    log.unlink()
    assert runs.run(*ONE, "--resume", str(run), log=log) == 4
    assert log.read_text().strip() == f"ERROR: {run} is in use by another process (run-held); " + WAIT
    journal.close()
    assert runs.run(*ONE, "--resume", str(run), log=log) == 0


def test_a_full_disk_is_one_clear_error_and_loses_no_finished_cell(
    runs: ForkedRuns, whole: Path, tmp_path: Path
) -> None:
    log, run = tmp_path / "log", tmp_path / "run"
    plan, journal = (whole / name for name in ("plan.json", "journal.jsonl"))
    assert (limit := plan.stat().st_size + 8_000) < journal.stat().st_size, "the plan fits, and some cells"
    status = runs.run(*ONE, "--run-dir", str(run), log=log, limit=limit)

    printed = log.read_text()
    assert status == 3, printed
    assert printed.count("journal.jsonl cannot be written: File too large (journal-write)") == 1
    assert "Traceback" not in printed
    assert "INTERNALERROR" not in printed
    finished = count_cells(lines(run / "journal.jsonl"))
    assert 0 < finished.total() < len(timeless(whole))
    assert runs.run(*ONE, "--resume", str(run), log=log) == 0, log.read_text()
    assert timeless(run) == timeless(whole)
    assert set(count_cells(lines(run / "journal.jsonl")).values()) == {1}


WRONG = """
from steering_core.tools.adapters.hooks import Hooks


class Shifted(Hooks):
    name = "Shifted"

    def read(self, model, batch, sites):
        return {site: value + 1 for site, value in super().read(model, batch, sites).items()}
"""


def test_a_resumed_run_keeps_its_closed_gate_and_its_failing_exit_status(runs: ForkedRuns, tmp_path: Path) -> None:
    log, run, tool = tmp_path / "log", tmp_path / "run", tmp_path / "wrong.py"
    tool.write_text(WRONG)
    tools = ("--tools", "hooks", "--tool", f"{tool}:Shifted")
    gated = ("parity", "-m", "tiny_qwen2", "-q", "-k", "test_location or within_tool", *tools, "--repeats", "1")
    assert runs.run(*gated, "--run-dir", str(run), log=log) == 1, log.read_text()
    whole = timeless(run)
    journal = (run / "journal.jsonl").read_text().splitlines(keepends=True)
    (run / "journal.jsonl").write_text("".join(journal[:-2]))
    (run / "records.jsonl").unlink()
    status = runs.run(*gated, "--resume", str(run), log=log)

    last = [row for row in whole if not audited(row)][-1]
    assert (last["outcome"], last["sentence"].partition(":")[0]) == ("absent", "not run")
    assert last["blocked_by"].startswith("P1 tiny_qwen2 Shifted")
    assert timeless(run) == whole
    assert status == 1, "a failure from before the interruption still counts"
