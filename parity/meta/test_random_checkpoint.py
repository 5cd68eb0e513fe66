"""A run on a checkpoint of random weights is headed as one with --random-weights, on every view and in every record."""

import json
from pathlib import Path

from fixtures.random_checkpoint import save
from parity.meta.forked_runs import ForkedRuns

CHECKS = 4
"""On the tokens of one model with one tool."""
CAVEATS = ["random weights (tiny_llama)", "a foreign tokenizer (tiny_llama)"]


def test_a_run_on_a_checkpoint_of_random_weights_says_so(runs: ForkedRuns, tmp_path: Path) -> None:
    save("tiny_llama", tmp_path / "llama", "", "cpu")
    place = f"tiny_llama={tmp_path / 'llama'}"
    run, log = tmp_path / "run", tmp_path / "log"

    status = runs.run(
        *("parity", "-m", "tiny_llama", "-k", "test_preflight_tokens", "--tools", "hooks"),
        *("--model-path", place, "--run-dir", str(run)),
        log=log,
    )

    assert status == 0, log.read_text()
    verdict = json.loads((run / "verdict.json").read_text())
    assert verdict["scope"]["caveats"] == CAVEATS
    for text in (verdict["headline"], log.read_text(), (run / "report.html").read_text()):
        assert [caveat for caveat in CAVEATS if caveat.lower() not in text.lower()] == []
    lines = map(json.loads, (run / "records.jsonl").read_text().splitlines())
    rows = list(filter(None, (line.get("provenance") for line in lines)))
    names = ("origin", "weights_verified", "tokenizer")
    said = ("random weights", "random", f"{tmp_path / 'llama'} (of random weights)")
    assert [tuple(row[name] for name in names) for row in rows] == [said] * CHECKS
