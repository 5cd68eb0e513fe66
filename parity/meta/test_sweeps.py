"""Sweeps: their conditions are those of the plan, and they run only when asked for."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from parity.meta.forked_runs import ForkedRuns, wait_for
from parity.meta.shares import in_part
from parity.sweeps.conditions import block_at, depths_of, every_depth, strength_at
from steering_core.measure.sweep_plan import read_sweeps
from steering_core.models.registry import read_presets, read_registry, resolve
from steering_core.places import PRESETS, REGISTRY, ROOT

PUBLISHED = [
    (42, {20: 8, 40: 16, 50: 21, 60: 25, 80: 33}),
    (32, {20: 6, 40: 12, 50: 16, 60: 19, 80: 25}),
    (32, {50: 16, 60: 19, 70: 22}),
    (36, {50: 18, 60: 21, 70: 25}),
    (28, {50: 14, 60: 16, 70: 19}),
    (48, {50: 24, 60: 28, 70: 33}),
    (64, {50: 32, 60: 38, 70: 44}),
    (26, {60: 15}),
    (46, {60: 27}),
]
"""Blocks of a model -> depth in percent -> block: the V3 plan's tables of sections 1.2 and 2.2."""


@pytest.mark.parametrize(("blocks", "table"), PUBLISHED)
def test_depths_are_the_blocks_of_the_plans_tables(blocks: int, table: dict[int, int]) -> None:
    assert {depth: block_at(depth, blocks) for depth in table} == table


def test_low_priority_models_have_three_depths() -> None:
    assert [depths_of(key) for key in ("gemma9b", "phi35mini", "tiny_qwen2")] == [[20, 40, 50, 60, 80]] * 3
    assert [depths_of(key) for key in ("llama8b", "mistral7b")] == [[50, 60, 70]] * 2
    assert every_depth() == [20, 40, 50, 60, 70, 80]
    assert set(read_sweeps()["depths"]["low_priority"]) < set(read_registry(REGISTRY))


def test_fifteen_is_the_models_own_strength() -> None:
    assert [strength_at(multiplier, 9.0) for multiplier in (10, 15, 25)] == pytest.approx([6.0, 9.0, 15.0])


def test_the_preset_is_the_plans() -> None:
    preset, spec = read_presets(PRESETS)["v3"], read_registry(REGISTRY)["qwen7b"]
    settings = resolve(spec, preset)

    assert (settings.strength, settings.max_new_tokens, settings.blocks) == (15.0, 100, tuple(range(16, 28)))
    assert (settings.unique_prompts, settings.prompt_repeats, settings.dtype) == (10, 5, "float16")
    assert resolve(spec, preset, dtype="bfloat16").dtype == "bfloat16", "the command line wins"
    assert resolve(spec, read_presets(PRESETS)["phase1"]).dtype == spec.dtype == "bfloat16"
    assert resolve(spec, read_presets(PRESETS)["phase1"]).unique_prompts is None


def collected(*arguments: str) -> list[str]:
    """The ids of the checks that a command line selects."""
    done = collect_only(*arguments)
    assert done.returncode in (0, 5), done.stderr  # 5: nothing is selected
    lines = done.stdout.splitlines()
    return [line for line in lines if "::" in line]


def collect_only(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """A command line that runs no check."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_default_run_has_no_sweep() -> None:
    assert not [name for name in collected("parity") if "sweeps" in name]


def test_the_marker_selects_the_sweeps_and_nothing_else() -> None:
    names = collected("parity", "-m", "sweep and tiny_qwen2")

    assert names
    assert all(name.startswith("parity/sweeps/") and "tiny_qwen2" in name for name in names)
    assert sum("test_layers" in name for name in names) == 5 * 2 * 3
    assert sum("test_quantization" in name for name in names) == 3 * 2


def test_a_file_name_selects_its_sweep_at_the_depths_of_the_model() -> None:
    names = collected("parity/sweeps/test_layers.py", "-m", "llama8b or phi35mini", "-k", "dim and 15")

    assert sorted(name.partition("[")[2] for name in names if "llama8b" in name) == [
        f"llama8b-reference-15-dim-{depth}]" for depth in (50, 60, 70)
    ]
    assert sum("phi35mini" in name for name in names) == 5


def test_a_base_model_is_not_swept() -> None:
    names = collected("parity/sweeps/test_layers.py", "-m", "tiny_qwen2_base or tiny_qwen2")
    assert names
    assert not [name for name in names if "base" in name]
    alone = collect_only("parity/sweeps/test_layers.py", "-m", "tiny_qwen2_base")
    assert alone.returncode == 4
    assert "tiny_qwen2_base refuses nothing: a base model" in alone.stderr


@in_part(1, 2)
def test_a_sweep_that_is_killed_resumes_where_it_stopped(runs: ForkedRuns, tmp_path: Path) -> None:
    """Killed after its first condition; no condition is lost or measured twice."""
    folder, log = tmp_path / "run", tmp_path / "log"
    selection = ("parity/sweeps/test_layers.py", "-m", "tiny_gpt2", "-k", "15-dim")
    journal = folder / "journal.jsonl"

    started = runs.start(*selection, "--run-dir", str(folder), log=log)
    assert wait_for(lambda: journal.exists() and b'"W1"' in journal.read_bytes(), started), log.read_text()
    runs.kill(started)
    finished = journal.read_bytes().count(b'\n{"cell":')
    assert runs.run(*selection, "--resume", str(folder), log=log) == 0, log.read_text()

    cells = [json.loads(line)["cell"]["variant"] for line in journal.read_text().splitlines() if '"W1"' in line]
    assert sorted(cells) == [f"{depth}-dim-15" for depth in (20, 40, 50, 60, 80)]
    assert 1 <= finished < 5, "it was killed in the middle"
    rows = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    measured = [row for row in rows if row.get("cell", {}).get("clause") == "W1"]
    assert {row["outcome"] for row in measured} == {"agrees"}
    assert {row["provenance"]["site"] for row in measured} == {f"resid_post@{layer}" for layer in (1, 3, 4, 6)}
    assert all(row["measured"]["unique"] == 30 for row in measured)


@in_part(0, 2)
def test_a_sweep_that_is_killed_inside_a_check_repeats_no_condition(runs: ForkedRuns, tmp_path: Path) -> None:
    """The band of strengths is one check of a dozen conditions: those that were measured are read from the store."""
    folder, log = tmp_path / "run", tmp_path / "log"
    selection = ("parity/sweeps/test_strengths.py", "-m", "tiny_gpt2", "-k", "dim")

    def stored() -> dict[str, int]:
        """The measurements that are kept, and when each was written."""
        return {path.name: path.stat().st_mtime_ns for path in (folder / "store").rglob("*.safetensors")}

    started = runs.start(*selection, "--run-dir", str(folder), log=log)
    assert wait_for(lambda: len(stored()) >= 4, started), log.read_text()
    runs.kill(started)
    before = stored()
    assert '"W4"' not in ((folder / "journal.jsonl").read_text() if (folder / "journal.jsonl").exists() else "")
    assert runs.run(*selection, "--resume", str(folder), log=log) == 0, log.read_text()

    after = stored()
    assert len(before) < len(after)
    assert {name: after[name] for name in before} == before, "a measured condition was measured again"
    assert runs.run(*selection, "--run-dir", str(tmp_path / "whole"), log=log) == 0, log.read_text()
    resumed, whole = (
        json.loads((run / "records.jsonl").read_text().splitlines()[1]) for run in (folder, tmp_path / "whole")
    )
    assert resumed["measured"] == whole["measured"]
