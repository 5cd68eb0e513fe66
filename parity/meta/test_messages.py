"""What failing checks say: never that nothing is wrong, a difference of 0, equal values that differ, or a traceback."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from fixtures.faults.registry import HERE
from parity.meta.fault_matrix import senseless
from parity.plugin.harness import LoadedCheckpoint, run_checks
from steering_core.records.record import Outcome, Record

Open = Callable[..., LoadedCheckpoint]
SAID = (
    (
        "edits:SteersAfterLastBlock",
        "S2",
        "steering changed the answers without shifting the residual stream at any block",
    ),
    (
        "edits:SteersAfterLastBlock",
        "S7",
        "ablation changed the answers without shifting the residual stream at any block",
    ),
    ("streams:LastMicroBatch", "P5", "resid_pre@0 shape: observed [1, 20, 64], expected [10, 20, 64]"),
    ("streams:LastMicroBatch", "P8", "values of shape [1, 20, 64] are not of 10 rows of 20 tokens"),
    ("streams:LastMicroBatch", "P10", "values of shape [1, 20, 64] are not of 10 rows of 20 tokens"),
    ("streams:LastMicroBatch", "P12", "values of shape [1, 20, 64] are not of 10 rows of 20 tokens"),
    (
        "steering:CountsCallsAsTokens",
        "S6",
        "0 others shifted, first prompt token 5 of row 0",
    ),
    ("tokens:NoWindow", "P6", "NoWindow returned resid_post@5 [last token]"),
    ("contract:NumpyArrays", "P3", "dtype: torch.float32"),
)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Open:
    """Models by key and dtype, each loaded once."""
    return cache(lambda key, dtype="": LoadedCheckpoint(key, tmp_path_factory.mktemp(f"{key}{dtype}"), dtype))


def records_of(experiment: Any, tool: str, clause: str) -> list[Record]:
    """The records of one clause, gate open."""
    return run_checks(experiment, tool, lambda check: check.clause == clause and check.judges_tools, gated=False)


@pytest.mark.parametrize(("tool", "clause", "words"), SAID)
def test_a_wrong_tool_is_told_what_it_did(tool: str, clause: str, words: str, checkpoints: Open) -> None:
    file, _, name = tool.partition(":")

    key = "tiny_gemma2" if name == "NoWindow" else "tiny_qwen2"
    records = records_of(checkpoints(key).experiment(), f"{HERE / file}.py:{name}", clause)

    assert words in " | ".join(record.sentence for record in records)
    assert senseless(records) == []


def test_a_model_that_overflows_is_named_instead_of_the_tool(checkpoints: Open) -> None:
    """N27: in float16 the model's own values are infinite, and the tool returns just those."""
    model = checkpoints("tiny_qwen2", "float16").experiment().model
    model.blocks[4].mlp.down_proj.weight.mul_(30000)

    records = records_of(checkpoints("tiny_qwen2", "float16").experiment(replace(model)), "hooks", "P1")

    assert {record.outcome for record in records} == {Outcome.DIFFERS}
    assert all("values of the model itself are not finite" in record.sentence for record in records)
    assert senseless(records) == []


@pytest.mark.parametrize(
    ("sentence", "is_senseless"),
    [
        ("returned k@1; requested k@1 — nothing is wrong (cos 1.000000, bit-equal)", True),
        ("3 tokens shifted by the wrong amount, off by up to 0, first prompt token 0 of row 0", True),
        ("3 tokens shifted by the wrong amount, off by up to 0.02, first prompt token 0 of row 0", False),
        ("dtype: observed torch.float32, expected torch.float32", True),
        ("dtype: observed torch.float32, expected torch.float32 (a str)", False),
        ("shape: observed [1], expected [10]; returned k@1", False),
        ("shape: observed [1], expected [1]; returned k@1", True),
        ("RuntimeError: The size of tensor a (3) must match the size of tensor b (10)", True),
    ],
)
def test_senseless_words_are_found(sentence: str, is_senseless: bool, checkpoints: Open) -> None:
    record = Record.model_validate({"cell": {"clause": "P1", "model": "m"}, "outcome": "differs", "sentence": sentence})

    assert bool(senseless([record])) == is_senseless
    assert senseless([record.model_copy(update={"outcome": Outcome.AGREES})]) == []
