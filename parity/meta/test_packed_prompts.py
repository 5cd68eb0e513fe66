"""Packed prompts (P4): what the built-in tools read on every family, and a model that mixes them blames no tool."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import masking_utils
from transformers.models.qwen2.modeling_qwen2 import Qwen2MLP

from parity.plugin.harness import Check, LoadedCheckpoint, run_checks
from steering_core.hosts import hosted_tool
from steering_core.measure.experiment import Experiment
from steering_core.models.registry import read_registry
from steering_core.places import REGISTRY
from steering_core.records.record import Outcome, Record

FAMILIES = {spec.family: key for key, spec in reversed(read_registry(REGISTRY).items()) if spec.tiny and spec.tuned}
"""{family: its first tiny model}."""
LONGEST_ALONE = 60
"""Tokens that no prompt has by itself."""
MIXES = "tiny_qwen2 mixes packed prompts under these libraries, without any tool: packed against alone, max|d| = "


def packed(check: Check) -> bool:
    return check.clause == "P4" and check.params.get("side") == "packed"


def record_of(key: str, tool: str, folder: Path) -> Record:
    experiment = LoadedCheckpoint(key, folder).experiment()
    (record,) = run_checks(experiment, tool, packed, gated=False)
    return record


@pytest.mark.parametrize("key", FAMILIES.values())
@pytest.mark.parametrize("tool", ["hooks", "nnsight", "pyvene"])
def test_a_family_keeps_packed_prompts_apart_and_nnsight_does_not(key: str, tool: str, tmp_path: Path) -> None:
    record = record_of(key, tool, tmp_path)

    if tool != "nnsight":
        assert (record.outcome, record.measured["max_abs"] < 1e-4) == (Outcome.AGREES, True), record.sentence
        return
    assert (record.outcome, record.declared) == (Outcome.DIFFERS, True), record.sentence
    assert "as if each prompt attended to those before it" in record.sentence


def test_a_model_that_mixes_packed_prompts_is_named_and_no_tool_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masking_utils, "find_packed_sequence_indices", lambda positions: None)

    record = record_of("tiny_qwen2", "hooks", tmp_path)

    assert record.outcome is Outcome.NOT_OFFERED
    assert record.sentence.startswith(MIXES)
    assert "hooks" not in record.sentence


def test_other_kernels_for_a_packed_row_are_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a mask a GPU computes attention by another kernel than for a prompt alone, in bfloat16 by up to half a floor."""
    forward, noise = Qwen2MLP.forward, torch.randn(64, generator=torch.Generator().manual_seed(0))

    def rounded(module: Any, hidden: torch.Tensor) -> torch.Tensor:
        packs = len(hidden) == 1 and hidden.shape[1] > LONGEST_ALONE
        return forward(module, hidden) * (1 + 0.06 * noise if packs else 1)

    monkeypatch.setattr(Qwen2MLP, "forward", rounded)
    monkeypatch.setattr(Experiment, "floor", lambda *given: 4.0)

    record = record_of("tiny_qwen2", "hooks", tmp_path)

    assert (record.outcome, record.measured["max_abs"] > 0.01) == (Outcome.AGREES, True), record.sentence


def test_the_libraries_of_a_tool_in_another_interpreter_are_the_ones_that_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    perform = Experiment.perform

    def mixing_elsewhere(experiment: Experiment, tool: Any, operation: str, *args: Any, **arguments: Any) -> Any:
        values = perform(experiment, tool, operation, *args, **arguments)
        packs = operation == "truth" and arguments["batch"].side == "packed"
        return {site: value + 1 for site, value in values.items()} if packs else values

    monkeypatch.setattr(Experiment, "perform", mixing_elsewhere)
    assert record_of("tiny_qwen2", "hooks", tmp_path / "here").outcome is Outcome.AGREES

    monkeypatch.setattr(hosted_tool, "is_elsewhere", lambda tool: True)
    record = record_of("tiny_qwen2", "hooks", tmp_path / "elsewhere")

    assert (record.outcome, record.sentence.startswith(MIXES)) == (Outcome.NOT_OFFERED, True)
