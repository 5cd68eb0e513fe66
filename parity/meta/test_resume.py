"""A run that is killed at any moment goes on where it was: no finished cell is lost, none is run again."""

import json
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from parity.meta.forked_runs import ForkedRuns, wait_for
from steering_core.errors import UsageProblem
from steering_core.records.journal import Journal

KILLS = 20
SEEDS = (20, 21)
"""One run each, so that neither is over before its last kill."""
SHORT, LONG = 0.03, 1.5
TIMES = ("started", "wall_seconds", "peak_memory_bytes")
ONE = ("parity", "-m", "tiny_qwen2", "-q", "-k", "(preflight or directions) and not r1", "--tools",
       "hooks,nnsight", "--repeats", "1")  # fmt: skip
WAIT = "wait for it, or choose another --run-dir"
TWO = ("parity", "-m", "tiny", "-q", "-k", "preflight_site", "--tools", "hooks")


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
    """The records of a run without what two runs of one thing need not share."""
    rows = lines(folder / "records.jsonl")[1:-1]
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


def audited(row: dict[str, Any]) -> bool:
    """Whether a record is about the run itself, and made anew whenever the run is judged."""
    return bool(row["cell"]["clause"].startswith("V"))


def names(rows: list[dict[str, Any]]) -> Counter[str]:
    return Counter(json.dumps(row["cell"]) for row in rows if "cell" in row)


def recorded(run: Path) -> int:
    """How many records the journal holds."""
    journal = run / "journal.jsonl"
    return journal.read_bytes().count(b'\n{"cell":') if journal.exists() else 0


def kill_and_go_on(runs: ForkedRuns, run: Path, length: int, share: float) -> bool:
    """Start or resume, and kill it a moment after the journal has so many records; whether that was amid its cells.

    share: how much of the longest delay passes. Where the journal is that long already, the kill hits the start or
    the first cells.
    """
    before, log = recorded(run), run.parent / "log"
    started = runs.start(*ONE, "--resume" if (run / "plan.json").exists() else "--run-dir", str(run), log=log)
    assert wait_for(lambda: recorded(run) >= length, started), log.read_text()
    time.sleep(share * (LONG if before >= length else SHORT))
    assert runs.kill(started) == -9, log.read_text()
    return recorded(run) > before


@pytest.mark.parametrize("seed", SEEDS)
def test_kills_lose_nothing(seed: int, runs: ForkedRuns, whole: Path, tmp_path: Path) -> None:
    cells, run, chance = recorded(whole), tmp_path / "run", random.Random(seed)
    amid = 0
    for more in chance.choices((0, 1, 2), k=KILLS // len(SEEDS)):
        amid += kill_and_go_on(runs, run, min(recorded(run) + more, cells - 6), chance.random())
    status = runs.run(*ONE, "--resume", str(run), log=tmp_path / "log")

    assert status == 0, (tmp_path / "log").read_text()
    assert timeless(run) == timeless(whole)
    assert set(names(lines(run / "journal.jsonl")).values()) == {1}, "a finished cell was run again"
    assert lines(run / "records.jsonl")[-1]["tensors"] == lines(whole / "records.jsonl")[-1]["tensors"]
    assert amid >= KILLS // len(SEEDS) // 4, "too few of the kills fell between two cells of one process"


def test_workers_go_on_together(runs: ForkedRuns, tmp_path: Path) -> None:
    log, run = tmp_path / "log", tmp_path / "run"
    assert runs.run(*TWO, "--run-dir", str(tmp_path / "whole"), log=log) == 0, log.read_text()
    started = runs.start(*TWO, "-n", "2", "--run-dir", str(run), log=log)
    assert wait_for(lambda: recorded(run) >= 3, started), log.read_text()
    assert runs.kill(started) == -9, log.read_text()
    kept = names(lines(run / "journal.jsonl"))
    assert runs.run(*TWO, "-n", "2", "--resume", str(run), log=log) == 0, log.read_text()

    assert timeless(run) == timeless(tmp_path / "whole")
    assert set(names(lines(run / "journal.jsonl")).values()) == {1}
    assert kept.total() < len(timeless(run)), "nothing was left to do"


def test_a_whole_run_is_judged_again_and_not_run(runs: ForkedRuns, whole: Path, tmp_path: Path) -> None:
    names = ("journal.jsonl", "plan.json", "request.json", "verdict.json")
    records, before = timeless(whole), [(whole / name).read_bytes() for name in names]
    (whole / "verdict.json").unlink()

    assert runs.run(*ONE, "--resume", str(whole), log=tmp_path / "log") == 0
    assert [(whole / name).read_bytes() for name in names] == before
    assert timeless(whole) == records
    assert "PREFLIGHT PASSED" in (tmp_path / "log").read_text()
    assert "deselected in" in (tmp_path / "log").read_text().splitlines()[-1]


def test_another_request_is_refused_by_name(runs: ForkedRuns, whole: Path, tmp_path: Path) -> None:
    before = (whole / "records.jsonl").read_bytes()
    status = runs.run(*ONE, "--batch-size", "7", "--resume", str(whole), log=tmp_path / "log")

    said = (tmp_path / "log").read_text().strip()
    assert (status, said.count("\n")) == (4, 0), said
    assert "--batch-size was 30, is 7 (resume-differs); it was started with: pytest " in said
    assert (whole / "records.jsonl").read_bytes() == before


def test_a_run_directory_has_one_owner(runs: ForkedRuns, tmp_path: Path) -> None:
    log, run = tmp_path / "log", tmp_path / "run"
    started = runs.start(*ONE, "--run-dir", str(run), log=log)
    assert wait_for(lambda: recorded(run) >= 1, started), log.read_text()
    with pytest.raises(UsageProblem, match="is in use by another process"):
        Journal(run).open()
    assert runs.kill(started) == -9

    mine = Journal(run)
    mine.open()
    log.unlink()
    assert runs.run(*ONE, "--resume", str(run), log=log) == 4
    assert log.read_text().strip() == f"ERROR: {run} is in use by another process (run-held); " + WAIT
    mine.close()
    assert runs.run(*ONE, "--resume", str(run), log=log) == 0


def test_a_full_disk_is_one_line_and_loses_nothing(runs: ForkedRuns, whole: Path, tmp_path: Path) -> None:
    log, run = tmp_path / "log", tmp_path / "run"
    status = runs.run(*ONE, "--run-dir", str(run), log=log, largest=30_000)

    said = log.read_text()
    assert status == 3, said
    assert said.count("journal.jsonl cannot be written: File too large (journal-write)") == 1
    assert "Traceback" not in said
    assert "INTERNALERROR" not in said
    kept = names(lines(run / "journal.jsonl"))
    assert 0 < kept.total() < len(timeless(whole))
    assert runs.run(*ONE, "--resume", str(run), log=log) == 0, log.read_text()
    assert timeless(run) == timeless(whole)
    assert set(names(lines(run / "journal.jsonl")).values()) == {1}


WRONG = """
from steering_core.tools.adapters.hooks import Hooks


class Shifted(Hooks):
    name = "Shifted"

    def read(self, model, batch, sites):
        return {site: value + 1 for site, value in super().read(model, batch, sites).items()}
"""


def test_a_closed_gate_stays_closed_and_the_exit_status_red(runs: ForkedRuns, tmp_path: Path) -> None:
    log, run, tool = tmp_path / "log", tmp_path / "run", tmp_path / "wrong.py"
    tool.write_text(WRONG)
    gated = ("parity", "-m", "tiny_qwen2", "-q", "-k", "test_location or within_tool", "--tools", "hooks",
             "--tool", f"{tool}:Shifted", "--repeats", "1")  # fmt: skip
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
    assert status == 1, "what failed before the run was killed still counts"
