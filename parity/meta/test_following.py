"""`--follow`: what decisions ask for becomes part of the same run, whatever interrupts it."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from parity.meta.forked_runs import ForkedRuns, wait_for
from parity.meta.shares import in_part
from reports.review.files import SHEET, keep_review, write_sheet
from reports.run.artifact import read_run

ONE = ("parity/sweeps/test_layers.py", "-m", "tiny_qwen2", "-k", "15-dim-80", "-q")
"""A condition that works in part: the plan asks for 30 and 70 %, and for three more multipliers."""
WORKS = ("parity/sweeps/test_layers.py", "-m", "tiny_qwen2", "-k", "10-dim-40", "-q")
"""A condition that works."""
FIRST_ROUND = {"30-dim-15", "70-dim-15", "80-dim-10", "80-dim-20", "80-dim-25"}


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def cells(run: Path) -> Counter[str]:
    """How often each cell of the sweeps is in the journal."""
    journal = run / "journal.jsonl"
    found = [row["cell"] for row in rows(journal) if "cell" in row] if journal.exists() else []
    return Counter(f"{cell['clause']} {cell['variant']}" for cell in found)


WORKERS = [pytest.param((), marks=in_part(1, 2)), pytest.param(("-n", "2"), marks=in_part(0, 6))]
"""Each round starts its workers anew, which takes the most time."""


@pytest.mark.parametrize("workers", WORKERS, ids=["one process", "two workers"])
def test_a_run_that_is_killed_in_a_round_continues_it(
    workers: tuple[str, ...], runs: ForkedRuns, tmp_path: Path
) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    started = runs.start(*ONE, "--follow", "--run-dir", str(run), log=log)
    assert wait_for(lambda: (run / "journal.jsonl").exists() and sum(cells(run).values()) >= 2, started), (
        log.read_text()
    )
    runs.kill(started)
    before = cells(run)
    assert before["W1 80-dim-15"] == 1
    assert runs.run(*ONE, *workers, "--follow", "--resume", str(run), log=log) == 0, log.read_text()

    printed, plan = log.read_text(), json.loads((run / "plan.json").read_text())
    followed = json.loads((run / "followed.json").read_text())["rounds"]
    assert set(cells(run).values()) == {1}, "no cell is run again"
    assert {f"W1 {variant}" for variant in FIRST_ROUND} < set(cells(run))
    assert {each["clause"] for one in followed for each in one["conditions"]} == {"W1", "W2", "W3"}
    assert all(one["done"] for one in followed)
    assert "--follow: continuing round 1" in printed
    assert "--follow: no decision calls for a further condition on this run's models" in printed
    assert len(plan["planned"]) == len(plan["followed"]) + 1 == len(cells(run))
    judged = {row["cell"]["clause"] for row in rows(run / "records.jsonl") if "cell" in row}
    assert judged == {"W1", "W2", "W3", "V1", "V2", "V3"}

    journal = (run / "journal.jsonl").read_bytes()
    assert runs.run(*ONE, "--resume", str(run), log=log) == 0, "the command line of the run resumes all of it"
    assert (run / "journal.jsonl").read_bytes() == journal


def test_what_a_person_read_counts_when_the_run_ends_again(runs: ForkedRuns, tmp_path: Path) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    assert runs.run(*WORKS, "--run-dir", str(run), log=log) == 0, log.read_text()
    assert "not read by a person: python -m reports review" in " ".join(log.read_text().split())
    write_sheet(run, read_run(run))
    refuted = re.sub(r"- \[ \] (\w+ normal)", r"- [x] \1", (run / SHEET).read_text(encoding="utf-8"))
    (run / SHEET).write_text(refuted, encoding="utf-8")
    keep_review(run, read_run(run), run / SHEET)

    assert runs.run(*WORKS, "--resume", str(run), log=log) == 0, log.read_text()
    (condition,) = json.loads((run / "verdict.json").read_text())["sweep"]["conditions"]
    assert (condition["band"], condition["by_eye"]) == ("fails", "by eye: 0 of 10 confirmed")
    assert condition["coherent"] == condition["unique"] == 30, "ten of them were read"
