"""Every tool passes preflight on every tiny family, and each family also runs unregistered, from a directory."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from parity.meta.forked_runs import ForkedRuns
from parity.meta.shares import DAYS, in_part
from steering_core.models.architectures import ARCHITECTURES
from steering_core.models.registry import read_registry
from steering_core.places import FIXTURES
from steering_core.records.clauses import CLAUSES, Stage

TINY = {key: spec for key, spec in read_registry(FIXTURES / "models.toml").items() if spec.tiny}
ONE_PER_FAMILY = {spec.family: key for key, spec in reversed(TINY.items())}
TOOLS = {"hooks", "nnsight", "pyvene"}
SHARED = [pytest.param(sorted(TINY)[day::DAYS], marks=in_part(day, DAYS)) for day in range(DAYS)]
KNOWN = 3
"""Side effects of these tools on a model that are declared."""


def records_of(runs: ForkedRuns, folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """The records of a run that must succeed, without those of the audit."""
    log = folder / "log"
    common = ("parity", "-q", "-p", "log_loads", "--run-dir", str(folder / "run"))
    status = runs.run(*common, *arguments, log=log, plugins=folder)
    assert status == 0, log.read_text()
    lines = (folder / "run" / "records.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if "cell" in row]
    return [row for row in rows if CLAUSES[row["cell"]["clause"]].stage is not Stage.EVIDENCE]


def declared(row: dict[str, Any]) -> bool:
    """Whether a record's deviation is a known one of the tool."""
    return "declared_deviation" in row["measured"]


def test_every_family_has_a_tiny_checkpoint() -> None:
    assert set(ONE_PER_FAMILY) == set(ARCHITECTURES)


@pytest.mark.parametrize("keys", SHARED, ids=",".join)
def test_preflight_passes_on_every_tiny_model_with_every_tool(
    keys: list[str], runs: ForkedRuns, tmp_path: Path, loads: Path
) -> None:
    records = records_of(runs, tmp_path, "-m", " or ".join(keys), "-k", "preflight")

    clauses = {clause for clause, row in CLAUSES.items() if row.stage is Stage.PREFLIGHT}
    unexpected = [row for row in records if row["outcome"] != "agrees" and not declared(row)]
    tested = {(row["cell"]["model"], row["cell"]["tool"]) for row in records if row["cell"]["tool"]}
    assert unexpected == []
    assert tested == {(key, tool) for key in keys for tool in TOOLS}
    assert {(row["cell"]["model"], row["cell"]["clause"]) for row in records} == {(k, c) for k in keys for c in clauses}
    assert Counter(loads.read_text().split()[1::2]) == Counter(keys), "each model is loaded once"
    effects = [row["cell"]["model"] for row in records if row["cell"]["clause"] in {"P9", "P11"} and declared(row)]
    assert Counter(effects) == dict.fromkeys(keys, KNOWN)
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert verdict["conclusion"] == "PREFLIGHT_PASSED"
    assert all(key in verdict["headline"] for key in keys)


def test_a_checkpoint_directory_of_every_family_runs_unregistered(
    runs: ForkedRuns, tmp_path: Path, loads: Path
) -> None:
    models: list[str] = []
    for family, key in ONE_PER_FAMILY.items():
        (tmp_path / f"some_{family}").symlink_to(FIXTURES / "checkpoints" / key)
        models += ["--model", str(tmp_path / f"some_{family}")]

    settings = ("--layer", "3", "--multiplier", "2.5", "--preset", "fixture", "--repeats", "1")
    records = records_of(
        runs, tmp_path, *models, *settings, "-k", "test_location or test_dtype or test_zero_vector and not _out"
    )

    assert {row["outcome"] for row in records} == {"agrees"}
    per_model = 3 * (2 + 1 + 1)
    counts = Counter(row["cell"]["model"] for row in records)
    assert counts == {f"some_{family}": per_model for family in ARCHITECTURES}
    sites = {row["provenance"]["site"] for row in records}
    assert sites == {"resid_post@3"}
