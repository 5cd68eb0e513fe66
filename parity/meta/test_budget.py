"""A real run beyond its budget starts no check, says so in its verdict, and can be resumed."""

import json
from pathlib import Path
from typing import Any

from parity.meta.forked_runs import ForkedRuns

ONE = ("parity", "-m", "tiny_qwen2", "-q", "-k", "preflight_site", "--tools", "hooks")
REASON = "not run: the budget of $1e-06 is spent"


def check_records(run: Path) -> list[dict[str, Any]]:
    """The records of the checks, without those of the audit."""
    records = [json.loads(line) for line in (run / "records.jsonl").read_text().splitlines()[1:-1]]
    return [record for record in records if not record["cell"]["clause"].startswith("V")]


def spent(run: Path) -> float:
    header = json.loads((run / "records.jsonl").read_text().partition("\n")[0])
    return float(header["environment"]["cost_usd"])


def test_a_run_beyond_its_budget_is_incomplete_and_resumes(runs: ForkedRuns, tmp_path: Path) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    status = runs.run(*ONE, "--run-dir", str(run), "--budget-usd", "1e-6", "--gpu-hour-usd", "2", log=log)
    stopped, cost, printed = check_records(run), spent(run), log.read_text()
    resumed = runs.run(*ONE, "--resume", str(run), log=log)

    assert status == 1, printed
    first = printed.splitlines()[0]  # where an earlier run was kept on this machine, its times are named
    assert first.startswith("estimate (")
    assert "): 8 checks, about " in first
    assert "the budget will stop it before the end" in printed
    assert {(row["outcome"], row["sentence"]) for row in stopped} == {("absent", REASON)}
    verdict = " ".join(printed.split())
    assert "INCOMPLETE: the selected checks are undecided" in verdict
    assert f"absent: {REASON}: 8 checks" in verdict
    assert "of a budget of $1e-06 so far; the rest, 8 checks, is estimated at " in verdict
    assert cost > 0
    assert resumed == 0, log.read_text()
    assert {row["outcome"] for row in check_records(run)} == {"agrees"}
