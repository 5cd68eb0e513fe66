"""In a real run, tools that end or damage their process are blamed by name, and no cell of another tool is touched."""

import json
from pathlib import Path

from fixtures.faults.registry import HERE
from parity.meta.forked_runs import ForkedRuns
from parity.meta.shares import in_part

BLAMED = {
    "Exits": "the process of Exits ended with exit status 0",
    "Skips": "Skipped: nothing to see",
    "Certified": "resid_post@4",
    "AutocastLeft": "P1",
    "TemplateChanged": "P9",
    "Forks": "child process",
}
"""Tool -> the clause of one of its failed cells, or words of its sentence."""
HARMLESS = ("Warns",)
GOOD = {"agrees", "not offered"}


@in_part(0, 2)
def test_only_the_cells_of_the_tool_that_did_it_fail(runs: ForkedRuns, tmp_path: Path) -> None:
    names = (*BLAMED, *HARMLESS)
    tools = [word for name in names for word in ("--tool", f"{HERE / 'processes.py'}:{name}")]
    folder, log = tmp_path / "run", tmp_path / "log"
    check = ("parity", "-q", "-m", "tiny_qwen2", "--tools", "hooks", *tools, "--run-dir", str(folder))

    status = runs.run(*check, "-k", "preflight and not agreement", log=log)

    lines = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    rows = [line for line in lines if "cell" in line]
    failed = {
        name: [row for row in rows if row["cell"]["tool"] == name and row["outcome"] not in GOOD]
        for name in ("hooks", *names)
    }
    assert status == 1
    assert [row["sentence"] for name in ("hooks", *HARMLESS) for row in failed[name]] == []
    found = {
        name: any(words in f"{row['cell']['clause']}: {row['sentence']}" for row in failed[name])
        for name, words in BLAMED.items()
    }
    assert found == dict.fromkeys(BLAMED, True)
    assert (folder / "verdict.json").exists(), "the run has a verdict"
