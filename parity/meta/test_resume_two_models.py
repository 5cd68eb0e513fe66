"""A run whose checks need two models each: two workers, and an interruption with a resumed run, change no record."""

import json
from pathlib import Path
from typing import Any

import pytest

from parity.meta.forked_runs import ForkedRuns, wait_for
from parity.meta.shares import in_part
from parity.meta.test_resume import count_cells, lines, recorded, timeless
from steering_core.places import PROMPTS

SFT, PREFERRED = "tiny_traits_sft", "tiny_traits_preferred"
FILES = tuple(f"parity/findings/test_{name}.py" for name in ("transfer_models", "tuning_stages", "equal_strength"))
PAIRS = f"{PREFERRED}-from:{SFT} or {SFT}-from:{PREFERRED} or {PREFERRED}-after or {PREFERRED}-beside"
STAGES = (*FILES, "-q", "-m", f"{SFT} or {PREFERRED}", "-k", PAIRS, "--steer-layers", "4-5")
"""Directions of either stage on the other, the curves of both, and both at equal strength."""


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The run's arguments: three prompts are answered."""
    file = tmp_path_factory.mktemp("prompts") / "three.json"
    prompts = json.loads(PROMPTS.read_text())
    file.write_text(json.dumps(prompts | {"evaluation": prompts["evaluation"][:3]}))
    return (*STAGES, "--prompts", str(file))


@pytest.fixture(scope="module")
def whole(runs: ForkedRuns, asked: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run of one process."""
    folder = tmp_path_factory.mktemp("whole")
    status = runs.run(*asked, "--run-dir", str(folder / "run"), log=folder / "log")
    assert status == 0, (folder / "log").read_text()
    return folder / "run"


def verdict(run: Path) -> dict[str, Any]:
    """What was concluded, without what names the folder."""
    read = json.loads((run / "verdict.json").read_text())
    return {name: read[name] for name in ("conclusion", "headline", "findings", "scope")}


@in_part(3, 4)
def test_a_resumed_run_of_two_models_is_the_uninterrupted_one(
    runs: ForkedRuns, asked: tuple[str, ...], whole: Path, tmp_path: Path
) -> None:
    """Killed after its first check: the others' two models are loaded, and measured, in the resumed run."""
    run, log = tmp_path / "run", tmp_path / "log"
    started = runs.start(*asked, "--run-dir", str(run), log=log)
    assert wait_for(lambda: recorded(run) >= 1, started), log.read_text()
    assert runs.kill(started) == -9, log.read_text()

    assert runs.run(*asked, "--resume", str(run), log=log) == 0, log.read_text()

    assert recorded(whole) == 4
    assert timeless(run) == timeless(whole)
    assert verdict(run) == verdict(whole)
    assert set(count_cells(lines(run / "journal.jsonl")).values()) == {1}, "a finished cell was run again"


@in_part(1, 4)
def test_two_workers_that_need_each_other_s_models_change_no_record(
    runs: ForkedRuns, asked: tuple[str, ...], whole: Path, tmp_path: Path
) -> None:
    """Each worker has the checks of one model, and measures the other one for them, at the same time as the other worker."""
    run, log = tmp_path / "run", tmp_path / "log"
    status = runs.run(*asked, "-n", "2", "--run-dir", str(run), log=log)
    assert status == 0, log.read_text()

    clauses = {row["cell"]["clause"] for row in timeless(run)}
    assert {"F5", "F7", "F8"} <= clauses
    assert timeless(run) == timeless(whole)
    assert verdict(run) == verdict(whole)
