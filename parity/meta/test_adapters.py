"""The adapters in steering_core/tools/third_party: each passes its checks, but for what its library is known to break.

A known deviation is strict, so that a run which succeeds has seen every row of the file beside the adapter. Each runs in the
Python that an environment variable names, or in this one if the library is installed here; elsewhere it is skipped as
"missing library". docs/tool-python.md says how an environment is made.
"""

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from parity.meta.forked_runs import ForkedRuns
from parity.plugin.harness import Check, LoadedCheckpoint, run_checks
from steering_core.places import IMPORTS
from steering_core.records.record import Outcome
from steering_core.tools.deviations import read_deviations

FOLDER = IMPORTS / "steering_core" / "tools" / "third_party"
HIDDEN_STATES, BATCHING = FOLDER / "hidden_states.py", FOLDER / "continuous_batching.py"
CHEAP = ("P0", "P1", "P2", "P3", "P4", "P5", "P8", "P10")
CLASSES = {
    "steering_vectors": "SteeringVectors",
    "transformer_lens": "TransformerLens",
    "interp_engine": "InterpEngine",
    "nnterp": "Nnterp",
    "repeng": "Repeng",
    "dialz": "Dialz",
    "nnsight_0_3": "nnsight",
    "nnsight_0_7": "nnsight",
}
"""Module of the library, and file of its adapter -> the adapter's class. No module is called as an older release of
nnsight, which is never installed here."""


def python_with(library: str) -> str:
    """An interpreter that has the library; without one the test is skipped."""
    variable = f"PARITY_{library.upper()}_PYTHON"
    if python := os.environ.get(variable):
        return python
    if find_spec(library) is None:
        pytest.skip(f"missing library: {library}, and {variable} names no Python; see docs/tool-python.md")
    return sys.executable


def test_hidden_states_alias_the_model_and_end_with_the_final_norm(tmp_path: Path) -> None:
    experiment = LoadedCheckpoint("tiny_qwen2", tmp_path).experiment()

    def wanted(check: Check) -> bool:
        return check.clause in CHEAP and check.judges_tools

    records = run_checks(experiment, f"{HIDDEN_STATES}:HiddenStates", wanted, gated=False)

    mine = [record for record in records if record.cell.tool == "HiddenStates"]
    differing = [record for record in mine if record.outcome is Outcome.DIFFERS]
    assert [f"{each.cell.id}: {each.sentence}" for each in differing if not each.declared] == []
    declared = {(record.cell.clause, record.cell.variant or "") for record in differing}
    rows = {(row.clause, row.variant) for row in read_deviations(HIDDEN_STATES) if row.clause in CHEAP}
    assert declared == rows == {("P1", "last"), ("P1", ""), ("P8", "")}
    held = {record.cell.clause for record in mine if record.outcome is Outcome.AGREES}
    assert held >= {"P0", "P1", "P2", "P3", "P4", "P10"}
    assert {record.cell.clause for record in mine if record.outcome is Outcome.NOT_OFFERED} == {"P0", "P5"}


@pytest.mark.parametrize(
    ("key", "asked", "broken"),
    [
        (
            "tiny_qwen2",
            {("P1", "tested"), ("P9", "rng"), ("P11", "generate"), ("S2", "one")},
            {("P9", "rng"), ("P11", "generate")},
        ),
        ("tiny_gemma2", {("P1", "tested"), ("P4", "left")}, {("P1", "tested"), ("P4", "left")}),
    ],
)
def test_continuous_batching_steers_packed_rows_and_breaks_what_is_declared(
    key: str, asked: set[tuple[str, str]], broken: set[tuple[str, str]], tmp_path: Path
) -> None:
    experiment = LoadedCheckpoint(key, tmp_path).experiment()

    def wanted(check: Check) -> bool:
        return check.judges_tools and any((check.clause, value) in asked for value in check.params.values())

    records = run_checks(experiment, f"{BATCHING}:ContinuousBatching", wanted, gated=False)

    mine = [record for record in records if record.cell.tool == "ContinuousBatching"]
    declared = {(each.cell.clause, each.cell.variant) for each in mine if each.declared}
    held = {(each.cell.clause, each.cell.variant) for each in mine if each.outcome is Outcome.AGREES}
    assert (declared, held) == (broken, asked - broken)


ARITHMETIC = ("steering_vectors", "interp_engine")
"""What they break in bfloat16 alone is arithmetic."""


@pytest.mark.parametrize(
    ("library", "dtype"),
    [*((library, "float32") for library in CLASSES), *((library, "bfloat16") for library in ARITHMETIC)],
)
def test_an_adapter_breaks_what_its_library_is_known_to_break(
    library: str, dtype: str, runs: ForkedRuns, tmp_path: Path
) -> None:
    python, run, name = python_with(library), tmp_path / "run", CLASSES[library]
    tool = ("--tools", "hooks", "--tool", f"{FOLDER / library}.py:{name}", "--tool-python", f"{name}={python}")
    checks = f"{name} and (preflight or steering)" if dtype == "float32" else f"{name} and test_steering"
    only = ("-m", "tiny_qwen2", "-k", checks, "--dtype", dtype, "--no-gate", "--programs", "20")

    status = runs.run("parity", "-q", *only, *tool, "--run-dir", str(run), log=tmp_path / "log")

    assert status == 0, (tmp_path / "log").read_text()
    records = [json.loads(line) for line in (run / "records.jsonl").read_text().splitlines()]
    declared = {
        (record["cell"]["clause"], record["cell"]["variant"] or "")
        for record in records
        if "declared_deviation" in record.get("measured", {})
    }
    rows = [row for row in read_deviations(FOLDER / f"{library}.py") if row.dtype in ("", dtype)]
    rows = [row for row in rows if not row.families or "qwen2" in row.families]
    expected = {(row.clause, row.variant) for row in rows if dtype == "float32" or row.clause[0] == "S"}
    assert declared == expected
