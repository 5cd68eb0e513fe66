"""A run whose checks need two models each, interrupted and resumed: the records and the verdict of an uninterrupted one."""

import json
from pathlib import Path
from typing import Any

from parity.meta.forked_runs import ForkedRuns, wait_for
from parity.meta.test_resume import count_cells, lines, recorded, timeless

SFT, PREFERRED = "tiny_traits_sft", "tiny_traits_preferred"
FILES = tuple(f"parity/findings/test_{name}.py" for name in ("transfer_models", "tuning_stages"))
CHOSEN = ("-m", f"{SFT} or {PREFERRED}", "-k", f"{PREFERRED}-from:{SFT} or {PREFERRED}-after")
STAGES = (*FILES, "-q", *CHOSEN)
"""A direction of the stage before, and the curves of both stages."""


def verdict(run: Path) -> dict[str, Any]:
    """What was concluded, without what names the folder."""
    read = json.loads((run / "verdict.json").read_text())
    return {name: read[name] for name in ("conclusion", "headline", "findings", "scope")}


def test_a_resumed_run_of_two_models_is_the_uninterrupted_one(runs: ForkedRuns, tmp_path: Path) -> None:
    """Killed after its first check: the second one's two models are loaded, and measured, in the resumed run."""
    whole, run, log = tmp_path / "whole", tmp_path / "run", tmp_path / "log"
    assert runs.run(*STAGES, "--run-dir", str(whole), log=log) == 0, log.read_text()
    started = runs.start(*STAGES, "--run-dir", str(run), log=log)
    assert wait_for(lambda: recorded(run) >= 1, started), log.read_text()
    assert runs.kill(started) == -9, log.read_text()

    assert runs.run(*STAGES, "--resume", str(run), log=log) == 0, log.read_text()

    assert recorded(whole) == 2
    assert timeless(run) == timeless(whole)
    assert verdict(run) == verdict(whole)
    assert set(count_cells(lines(run / "journal.jsonl")).values()) == {1}, "a finished cell was run again"
