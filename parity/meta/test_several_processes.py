"""A tool with several processes: the same records, sooner where each keeps a GPU waiting."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parity.meta.forked_runs import ForkedRuns
from parity.meta.shares import in_part
from parity.plugin import tool_processes
from parity.plugin.request.run_matrix import MOST_PROCESSES
from parity.plugin.tool_processes import ToolProcesses, default_processes
from steering_core.measure.hosted_reference import SPEC
from steering_core.models.model import LoadRequest
from steering_core.tests.random_models import random_spec

OF_THE_RUN = ("started", "wall_seconds", "peak_memory_bytes", "chain")
REQUEST = LoadRequest(random_spec("llama"), "nowhere", "float32")


def records(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Cell -> its record, but for times and memory."""
    lines = map(json.loads, (folder / "records.jsonl").read_text().splitlines())
    return {
        json.dumps(line["cell"]): {key: value for key, value in line.items() if key not in OF_THE_RUN}
        for line in lines
        if "cell" in line
    }


@in_part(1, 3)
def test_several_processes_give_the_records_of_one(runs: ForkedRuns, tmp_path: Path) -> None:
    """Programs, repeats of answers and the reference's answers are shared out."""
    selected = ("parity", "-q", "-m", "tiny_qwen2", "--tools", "hooks,nnsight", "--clauses", "D1,P13,S4,S9,B1,B3,B4")
    found = []
    for number in (1, 3):
        folder = tmp_path / f"processes {number}"
        options = ("--programs", "12", "--processes", str(number), "--no-gate", "--run-dir", str(folder))
        runs.run(*selected, *options, log=tmp_path / "log")
        found.append(records(folder))

    assert len(found[0]) > 30, (tmp_path / "log").read_text()
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("cores", "device", "quantize", "worker", "expected"),
    [
        (16, "cuda:0", "", "", 3),
        (64, "cuda:0", "", "", 3),
        (10, "cuda:0", "", "", 2),
        (4, "cuda:0", "", "", 1),
        (16, "cpu", "", "", 1),
        (16, "cuda:0", "nf4", "", 1),
        (16, "cuda:0", "", "gw0", 1),
    ],
)
def test_a_tool_has_several_processes_where_they_share_weights_and_have_cores(
    monkeypatch: pytest.MonkeyPatch, cores: int, device: str, quantize: str, worker: str, expected: int
) -> None:
    monkeypatch.setattr(tool_processes.os, "cpu_count", lambda: cores)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    if worker:
        monkeypatch.setitem(os.environ, "PYTEST_XDIST_WORKER", worker)

    assert default_processes(LoadRequest(**{**vars(REQUEST), "device": device, "quantize": quantize})) == expected


@pytest.mark.parametrize(("number", "words"), [("0", "too small"), (str(MOST_PROCESSES + 1), "too large")])
def test_an_impossible_number_is_refused_in_one_line(runs: ForkedRuns, tmp_path: Path, number: str, words: str) -> None:
    log = tmp_path / "log"

    status = runs.run("parity", "-m", "tiny_qwen2", "--co", "--processes", number, log=log)

    assert status == pytest.ExitCode.USAGE_ERROR
    assert f"--processes {number} is {words}" in log.read_text()


@pytest.mark.parametrize("reference", [None, "processes", "at work"])
def test_further_processes_start_once_and_after_the_first_check(reference: str | None) -> None:
    """They would hold up the first one, which imports the same libraries."""
    begun, of_run = list[Any](), object.__new__(ToolProcesses)
    further: Any = lambda tools: begun.append(("further", *tools))  # noqa: E731
    of_run.hosts = SimpleNamespace(
        begin=begun.append, begin_further=further, hosts={} if reference != "at work" else {SPEC: 1}
    )
    of_run.matrix, of_run.reference, of_run.may_begin = SimpleNamespace(tools=("hooks",)), reference, True  # type: ignore[assignment]

    of_run.begin_further()
    of_run.begin_further()

    of_the_reference = [[SPEC], ("further", SPEC)] if reference == "processes" else []
    assert begun == [("further", "hooks"), *of_the_reference]
