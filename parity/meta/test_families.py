"""Every tiny family, on every tool: registered or named on the spot, by one process or by several workers."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parity.matrix import FIXTURES
from parity.meta.forked_runs import ForkedRuns
from steering_core.architectures import ARCHITECTURES
from steering_core.clauses import CLAUSES, Stage
from steering_core.specs import read_registry

TINY = {key: spec for key, spec in read_registry(FIXTURES / "models.toml").items() if spec.tiny}
ONE_PER_FAMILY = {spec.family: key for key, spec in reversed(TINY.items())}
TOOLS = {"hooks", "nnsight", "pyvene"}
COUNTER = """
import os
from pathlib import Path
from parity.subjects import Laboratory
opened = Laboratory._open
def counted(self, key):
    with open({file!r}, "a") as stream:
        stream.write(os.environ.get("PYTEST_XDIST_WORKER", "alone") + " " + key + "\\n")
    return opened(self, key)
Laboratory._open = counted
"""


@pytest.fixture
def loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in which runs started with `-p count_loads` leave a line per loaded model."""
    (tmp_path / "count_loads.py").write_text(COUNTER.format(file=str(tmp_path / "loads")))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH")))))
    return tmp_path / "loads"


@pytest.fixture
def runs(loads: Path) -> Iterator[ForkedRuns]:
    with ForkedRuns() as started:
        yield started


def records_of(runs: ForkedRuns, folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """The records of a run that must succeed, without those about the run itself."""
    log = folder / "log"
    status = runs.run("parity", "-q", "-p", "count_loads", "--run-dir", str(folder / "run"), *arguments, log=log)
    assert status == 0, log.read_text()
    lines = (folder / "run" / "records.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if "cell" in row]
    return [row for row in rows if CLAUSES[row["cell"]["clause"]].stage is not Stage.EVIDENCE]


def test_there_is_a_tiny_checkpoint_of_every_family() -> None:
    assert set(ONE_PER_FAMILY) == set(ARCHITECTURES)


def test_preflight_holds_on_every_tiny_model_with_every_tool(runs: ForkedRuns, tmp_path: Path, loads: Path) -> None:
    records = records_of(runs, tmp_path, "-m", "tiny", "-k", "preflight")

    clauses = {clause for clause, row in CLAUSES.items() if row.stage is Stage.PREFLIGHT}
    wrong = [
        row["cell"] for row in records if row["outcome"] != "agrees" and "declared_deviation" not in row["measured"]
    ]
    done = {(row["cell"]["model"], row["cell"]["tool"]) for row in records if row["cell"]["tool"]}
    assert wrong == []
    assert done == {(key, tool) for key in TINY for tool in TOOLS}
    assert {(row["cell"]["model"], row["cell"]["clause"]) for row in records} == {(k, c) for k in TINY for c in clauses}
    assert Counter(loads.read_text().split()[1::2]) == Counter(list(TINY)), "each model is loaded once"


def test_each_worker_loads_its_models_once(runs: ForkedRuns, tmp_path: Path, loads: Path) -> None:
    chosen = list(ONE_PER_FAMILY.values())[:4]

    records = records_of(runs, tmp_path, "-n", "2", "-m", " or ".join(chosen), "-k", "test_dtype or test_location")

    lines = [line.split() for line in loads.read_text().splitlines()]
    assert Counter(row["cell"]["model"] for row in records) == Counter(dict.fromkeys(chosen, 9))
    assert sorted(key for _, key in lines) == sorted(chosen), "no model is loaded by two workers, or twice by one"
    assert {worker for worker, _ in lines} == {"gw0", "gw1"}


def test_a_directory_of_every_family_runs_unregistered(runs: ForkedRuns, tmp_path: Path) -> None:
    arguments: list[str] = []
    for family, key in ONE_PER_FAMILY.items():
        (tmp_path / f"some_{family}").symlink_to(FIXTURES / "checkpoints" / key)
        arguments += ["--model", str(tmp_path / f"some_{family}")]

    records = records_of(
        runs, tmp_path, *arguments, "--layer", "3", "--multiplier", "2.5", "--preset", "fixture", "--repeats", "1",
        "-k", "test_location or test_dtype or test_zero_vector",
    )  # fmt: skip

    assert {row["outcome"] for row in records} == {"agrees"}
    assert Counter(row["cell"]["model"] for row in records) == Counter(
        {f"some_{family}": 3 * (2 + 1 + 1) for family in ARCHITECTURES}
    )
    sites = {row["provenance"]["site"] for row in records}
    assert sites == {"resid_post@3"}
