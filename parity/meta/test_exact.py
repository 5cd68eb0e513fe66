"""`--exact`: every process of a run computes exactly, the noise floor is zero, and what rounding excused is a difference."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.correct.registry import HERE
from parity.meta.command_line import options
from parity.meta.forked_runs import ForkedRuns
from parity.meta.shares import in_part
from parity.plugin.harness import LoadedCheckpoint, run_checks
from parity.plugin.request import machine
from steering_core.errors import UsageProblem
from steering_core.models.model import LoadRequest
from steering_core.models.registry import read_registry
from steering_core.places import REGISTRY, ROOT
from steering_core.records.record import Outcome

CHECKS = "test_agreement or test_batch or test_within_tool or test_cross_tool or test_cache or test_native_generation"
CHECKS = f"({CHECKS}) and not in_mode and not inside"
BATCHED = ("OneByOne", "SortedByLength", "PadsOnTheRight")
"""Correct tools that feed the prompts in batches of their own."""
NOISY = """
from pathlib import Path
from steering_core.tools.adapters.hooks import Hooks

PROCESSES = Path(__file__).with_name("processes")
with PROCESSES.open("a") as stream:
    stream.write("one more\\n")
NUMBER = len(PROCESSES.read_text().splitlines())

class Noisy(Hooks):
    name = "noisy"

    def read(self, model, batch, sites):
        return {site: hidden * (1 + NUMBER * 2.0**-22) for site, hidden in super().read(model, batch, sites).items()}
"""
"""A tool that is off by 2.4e-7 of the value in its first process, by twice as much in the next: as rounding is."""


def run(runs: ForkedRuns, folder: Path, *arguments: str, checks: str = CHECKS) -> list[dict[str, Any]]:
    """The records of a run of one tiny model."""
    target = ("-m", "tiny_qwen2", "-k", checks, "--repeats", "2", "--tools", "hooks", "--no-gate", "--run-dir", folder)
    runs.run("parity", "-q", *map(str, target), *arguments, log=folder.with_suffix(".log"))
    lines = map(json.loads, (folder / "records.jsonl").read_text().splitlines())
    records = [line for line in lines if "cell" in line and not line["cell"]["clause"].startswith("V")]
    assert records, folder.with_suffix(".log").read_text()
    return records


def outcomes(records: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(record["cell"]["clause"], record["outcome"]) for record in records}


@pytest.fixture(scope="module")
def tools() -> list[str]:
    return [word for name in BATCHED for word in ("--tool", f"{HERE / 'batches.py'}:{name}")]


@in_part(1, 2)
def test_tools_with_batches_of_their_own_are_bit_equal(runs: ForkedRuns, tools: list[str], tmp_path: Path) -> None:
    records = run(runs, tmp_path / "exact", "--exact", *tools)

    assert outcomes(records) == {(clause, "agrees") for clause in ("P6", "P10", "D1", "D2", "S3", "S4")}
    assert {record["provenance"]["arithmetic"] for record in records} == {"exact"}
    of = {
        name: [record["measured"] for record in records if record["cell"]["clause"] == name] for name in ("P6", "P10")
    }
    assert {measured["bit_equal"] for measured in of["P6"] + of["P10"]} == {True}
    floors = [change for measured in of["P10"] for change in measured["floor"]["changes"].values()]
    assert {value for change in floors for value in change.values()} == {0.0}
    assert "attention implementation" not in of["P10"][0]["floor"]["changes"]
    tokens = [record["measured"]["token_identical"] for record in records if record["cell"]["clause"] in {"S3", "S4"}]
    assert set(tokens) == {True}


def test_without_the_option_they_are_equal_up_to_rounding(runs: ForkedRuns, tools: list[str], tmp_path: Path) -> None:
    records = run(runs, tmp_path / "plain", *tools, checks="test_agreement")

    assert outcomes(records) == {("P6", "agrees")}
    assert {record["provenance"]["arithmetic"] for record in records} == {"plain"}
    assert False in {record["measured"]["bit_equal"] for record in records}


@pytest.mark.parametrize("exact", [True, False], ids=["exact", "plain"])
def test_what_rounding_excuses_is_a_difference_under_exact_arithmetic(
    exact: bool, runs: ForkedRuns, tmp_path: Path
) -> None:
    (tmp_path / "noisy.py").write_text(NOISY)
    noisy = ("--tool", f"{tmp_path / 'noisy.py'}:Noisy")
    checks = "test_agreement or test_cross_tool or test_within_tool or test_norms or test_components"
    records = run(runs, tmp_path / "run", *noisy, *(["--exact"] if exact else []), checks=checks)

    expected = "differs" if exact else "agrees"
    cells = [record["cell"] for record in records]
    of_noisy = [
        record
        for record, cell in zip(records, cells, strict=True)
        if cell["clause"] == "D3" or "Noisy" in (cell["tool"], cell["other"])
    ]
    assert outcomes(of_noisy) == {(clause, expected) for clause in ("P6", "D1", "D2", "D3", "D4")}


def test_no_floor_excuses_a_difference_under_exact_arithmetic(tmp_path: Path) -> None:
    """A model that claims to be exact, and is not: its measured floor would excuse what rounding does."""
    checkpoint = LoadedCheckpoint("tiny_qwen2", tmp_path)
    results = {}
    for exact in (False, True):
        experiment = checkpoint.experiment(replace(checkpoint.model, exact=exact))
        tool = f"{HERE / 'batches.py'}:SortedByLength"
        records = run_checks(experiment, tool, lambda check: check.clause in {"P6", "P10"})
        results[exact] = {record.cell.clause: record.outcome for record in records}
    assert results[False] == {"P6": Outcome.AGREES, "P10": Outcome.AGREES}
    assert results[True] == {"P6": Outcome.DIFFERS, "P10": Outcome.DIFFERS}


def test_a_request_says_that_the_model_is_measured_exactly() -> None:
    spec = read_registry(REGISTRY)["tiny_qwen2"]
    request = LoadRequest(spec, str(ROOT / spec.source), spec.dtype, exact=True)
    assert request.load().exact
    assert not LoadRequest(spec, str(ROOT / spec.source), spec.dtype).load().exact


def test_a_gpu_without_triton_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "find_spec", lambda name: None if name == "triton" else object())
    monkeypatch.setattr(machine, "has_cuda", lambda: True)
    with pytest.raises(UsageProblem, match="--exact on a GPU needs triton"):
        machine.check_machine([], options("tiny_qwen2", exact=True, gpu=True))
