"""models.toml against what it speaks of: the checkpoints of this repository, the families, the plan's percentages."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from parity.meta.forked_runs import ForkedRuns
from steering_core.models.architectures import ARCHITECTURES
from steering_core.models.registry import read_registry
from steering_core.models.shapes import NAMES, complete_shape
from steering_core.places import FIXTURES, ROOT

REGISTRY = read_registry(FIXTURES / "models.toml")
ROWS = tomllib.loads((FIXTURES / "models.toml").read_text(encoding="utf-8"))
CHECKPOINTS = FIXTURES / "checkpoints"
MANIFEST: dict[str, Any] = json.loads((CHECKPOINTS / "manifest.json").read_text(encoding="utf-8"))
TINY = [key for key, spec in REGISTRY.items() if spec.tiny]
STUDY = {
    "Qwen/Qwen2.5-3B-Instruct", "Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-14B-Instruct", "Qwen/Qwen2.5-32B-Instruct",
    "google/gemma-2-2b-it", "google/gemma-2-9b-it", "google/gemma-2-27b-it", "google/gemma-2-2b",
    "meta-llama/Llama-3.2-3B-Instruct", "meta-llama/Meta-Llama-3-8B-Instruct", "mistralai/Mistral-7B-Instruct-v0.3",
    "mistralai/Mistral-Small-24B-Instruct-2501", "mistralai/Mistral-7B-v0.1", "HuggingFaceH4/mistral-7b-sft-beta",
    "HuggingFaceH4/zephyr-7b-beta", "microsoft/Phi-3.5-mini-instruct", "microsoft/Phi-3-medium-128k-instruct",
}  # fmt: skip


def test_every_tiny_row_is_a_checkpoint_of_the_manifest_and_the_other_way_round() -> None:
    assert sorted(TINY) == sorted(MANIFEST) == sorted(path.parent.name for path in CHECKPOINTS.glob("*/config.json"))
    assert all(REGISTRY[key].source == f"fixtures/checkpoints/{key}" for key in TINY)


@pytest.mark.parametrize("key", TINY)
def test_a_tiny_row_says_what_the_config_and_the_manifest_say(key: str) -> None:
    spec = REGISTRY[key]
    config = json.loads((CHECKPOINTS / key / "config.json").read_text(encoding="utf-8"))
    measured = MANIFEST[key].get("metrics") or MANIFEST[key.removesuffix("_base")]["metrics"]

    assert {name: getattr(spec, name) for name in NAMES} == complete_shape(config)
    assert (spec.layer, spec.multiplier, spec.max_new_tokens) == (
        measured["layer"], measured["strength"], measured["max_new_tokens"],
    )  # fmt: skip
    assert spec.tuned is ("metrics" in MANIFEST[key])
    assert spec.dtype == "float32"


def test_a_run_that_names_no_model_measures_two_families() -> None:
    assert [key for key, spec in REGISTRY.items() if spec.default] == ["tiny_qwen2", "tiny_gemma2"]


def test_every_model_of_the_study_has_a_row_and_every_family_a_table() -> None:
    assert {spec.source for spec in REGISTRY.values() if not spec.tiny} == STUDY
    assert {spec.family for spec in REGISTRY.values()} <= set(ARCHITECTURES)
    assert all(spec.memory_gb > 0 for spec in REGISTRY.values() if not spec.tiny)


def test_depths_are_the_plans_percentages() -> None:
    """Of the blocks that the public configs have, not of those that the plan has."""
    assert {key: (row["depth"], REGISTRY[key].layer) for key, row in ROWS.items() if "depth" in row} == {
        "llama3b": (0.6, 16), "mistral24b": (0.6, 24),
    }  # fmt: skip
    assert (REGISTRY["llama3b"].layers, REGISTRY["mistral24b"].layers) == (28, 40)
    assert [key for key, row in ROWS.items() if ("depth" in row) is ("layer" in row)] == []


def test_a_base_model_borrows_the_chat_template_of_its_tuned_one() -> None:
    """Its own tokenizer has none; both share the vocabulary."""
    bases = {key: spec for key, spec in REGISTRY.items() if not spec.tuned and not spec.tiny}
    by_source = {spec.source: spec for spec in REGISTRY.values()}

    assert set(bases) == {"gemma2b_base", "mistral7b_base"}
    for spec in bases.values():
        tuned = by_source[spec.tokenizer]
        assert tuned.tuned
        assert {name: getattr(tuned, name) for name in NAMES} == {name: getattr(spec, name) for name in NAMES}


PLUGIN = """
from pathlib import Path
import parity.plugin.request.run_matrix
parity.plugin.request.run_matrix.FIXTURES = Path({folder!r})
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Fixtures of its own for a run: the registry is a file that may be changed, the rest is the project's."""
    folder = tmp_path / "fixtures"
    folder.mkdir()
    for path in FIXTURES.iterdir():
        if path.name != "models.toml":
            (folder / path.name).symlink_to(path)
    (tmp_path / "other_registry.py").write_text(PLUGIN.format(folder=str(folder)))
    return folder


def test_a_row_is_all_that_a_model_of_a_known_family_needs(runs: ForkedRuns, elsewhere: Path, tmp_path: Path) -> None:
    """A checkpoint that the project has never heard of, under a key of its own, through the whole of P1 and P3."""
    row = {**ROWS["tiny_gemma2"], "source": str(tmp_path / "somebodys"), "layer": 2, "tiny": False}
    (tmp_path / "somebodys").symlink_to(CHECKPOINTS / "tiny_gemma2")
    lines = [f"{name} = {json.dumps(value)}" for name, value in row.items() if name != "default"]
    (elsewhere / "models.toml").write_text("\n".join(["[newcomer]", *lines]))
    arguments = ("parity", "-p", "other_registry", "-m", "newcomer", "-k", "test_location or test_dtype", "-q")

    status = runs.run(*arguments, "--run-dir", str(tmp_path / "run"), log=tmp_path / "log", path=tmp_path)

    assert status == 0, (tmp_path / "log").read_text()
    assert "9 passed" in (tmp_path / "log").read_text()
    records = [json.loads(line) for line in (tmp_path / "run" / "records.jsonl").read_text().splitlines()]
    assert {row["cell"]["model"] for row in records if "cell" in row} == {"newcomer"}
    assert ROOT / "fixtures" == FIXTURES


def test_no_behavior_is_planned_for_a_base_model(runs: ForkedRuns, tmp_path: Path) -> None:
    arguments = ("parity", "-m", "tiny_qwen2_base or tiny_gemma2", "--collect-only", "-q")

    runs.run(*arguments, log=tmp_path / "log")

    lines = (tmp_path / "log").read_text().splitlines()
    base, tuned = ([line for line in lines if f"[{key}" in line] for key in ("tiny_qwen2_base", "tiny_gemma2"))
    assert {line.partition("::")[0] for line in base} | {"parity/test_behavior.py"} == {
        line.partition("::")[0] for line in tuned
    }
    assert not [line for line in base if "test_behavior" in line]
