"""P0 asks for generations in which some rows end before others: without them, no tool would be seen to pad an answer."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.faults.registry import HERE
from parity.plugin.harness import Check, LoadedCheckpoint, run_checks
from steering_core.records.record import Outcome, Record

TOKENS = 8


def generated(checkpoint: LoadedCheckpoint, tool: str = "hooks", rows: int | None = None) -> Record:
    """The record of P0 about generation. rows: so many times the first prompt, instead of different ones."""
    prompts = checkpoint.prompts
    alike = replace(prompts, evaluation=prompts.evaluation[:1] * rows) if rows else prompts

    def wanted(check: Check) -> bool:
        return check.clause == "P0" and check.params["action"] == "generate"

    (record,) = run_checks(checkpoint.experiment(prompts=alike), tool, wanted)
    return record


@pytest.mark.parametrize("key", ["tiny_qwen2", "tiny_gemma2", "tiny_gpt2", "tiny_phi3"])
def test_rows_end_at_different_steps_with_and_without_steering(key: str, tmp_path: Path) -> None:
    """On Gemma-2, steering at the preset's strength gives every prompt the same answer; a weaker one does not."""
    record = generated(LoadedCheckpoint(key, tmp_path))

    steps: Any = record.measured["end_steps"]
    assert record.outcome is Outcome.AGREES
    assert {name: min(row) < max(row) <= TOKENS for name, row in steps.items()} == {"steered": True, "unsteered": True}
    assert record.measured["unpadded"] == []
    assert record.sentence == "2 answers of generate are as documented"


def test_a_record_says_that_no_row_ends_before_another(tmp_path: Path) -> None:
    """Rows of one prompt end together, with an end token all the same: a tool that continues after it is seen."""
    checkpoint = LoadedCheckpoint("tiny_gemma2", tmp_path)
    record = generated(checkpoint, rows=3)
    steps: Any = record.measured["end_steps"]
    first_end_token_only = generated(checkpoint, f"{HERE / 'edits'}.py:FirstEndTokenOnly", rows=3)

    assert record.outcome is Outcome.AGREES
    assert record.sentence.endswith("the steered and unsteered answer all end at the same step, so none is padded")
    assert {min(row) == max(row) < TOKENS for row in steps.values()} == {True}
    assert first_end_token_only.outcome is Outcome.DIFFERS
