"""Collection is fast, loads no heavy library, and gives every model the same checks."""

import json
import subprocess
import sys
import tomllib
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest

from parity.meta.source_rules import HEAVY
from parity.plugin.request.selection import marks_of
from steering_core.models.registry import read_registry
from steering_core.places import FIXTURES, ROOT

SECONDS = 2.0
REGISTRY = read_registry(FIXTURES / "models.toml")
TINY = {key for key, spec in REGISTRY.items() if spec.tiny}
DEFAULT = {key for key, spec in REGISTRY.items() if spec.default}
PROGRAM = """
import json, sys, time
import pytest
class Collected:
    def pytest_collection_finish(self, session):
        self.ids = [item.nodeid for item in session.items]
collected = Collected()
status = pytest.main(sys.argv[1:], plugins=[collected])
print("\\n" + json.dumps({"status": int(status), "ids": collected.ids, "seconds": time.process_time(),
                         "loaded": sorted({name.partition(".")[0] for name in sys.modules})}))
"""


def collect(*arguments: str) -> dict[str, Any]:
    """One collection in a new process: exit status, node ids, loaded packages, CPU seconds."""
    command = [sys.executable, "-c", PROGRAM, "parity", "--collect-only", "-q", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return cast("dict[str, Any]", json.loads(done.stdout.splitlines()[-1]))


@cache
def collected(*arguments: str) -> dict[str, set[str]]:
    """Model key -> its checks, without the key."""
    checks: defaultdict[str, set[str]] = defaultdict(set)
    for nodeid in collect(*arguments)["ids"]:
        for key in REGISTRY:
            for part in (f"[{key}]", f"[{key}-", f"-{key}-", f"-{key}]"):
                if part in nodeid:
                    checks[key].add(nodeid.replace(part, part.replace(key, "MODEL")))
    return dict(checks)


def test_collection_takes_at_most_2_s_and_loads_no_heavy_library(capsys: pytest.CaptureFixture[str]) -> None:
    runs = [collect() for _ in range(3)]
    best = min(run["seconds"] for run in runs)

    with capsys.disabled():
        sys.stdout.write(f" [collection: {best:.2f} s of CPU time, {len(runs[0]['ids'])} checks] ")
    assert runs[0]["status"] == 0
    assert HEAVY & set(runs[0]["loaded"]) == set()
    assert best <= SECONDS


def test_every_model_and_family_is_a_marker(pytestconfig: pytest.Config) -> None:
    registered = {line.partition(":")[0].partition("(")[0] for line in pytestconfig.getini("markers")}
    marks = {mark for spec in REGISTRY.values() for mark in marks_of(spec)}

    assert {"qwen7b", "gemma9b", "qwen2", "gemma2", "tiny"} <= marks <= registered


def test_without_m_only_the_default_tiny_models_are_collected() -> None:
    assert {"qwen2", "gemma2"} <= {REGISTRY[key].family for key in DEFAULT}
    assert set(collected()) == DEFAULT <= TINY
    assert set(collected("-m", "tiny")) == TINY


def test_canonical_checks_are_collected_only_for_the_registrys_block() -> None:
    registered_block, other_block = (
        {name for name in collected(*more)["tiny_qwen2"] if "test_canonical" in name}
        for more in (("-m", "tiny_qwen2", "--layer", "4"), ("-m", "tiny_qwen2", "--layer", "3"))
    )
    assert len(registered_block) == 4
    assert other_block == set()


def test_every_model_gets_the_same_checks() -> None:
    """A real model is compared with a canonical direction only where one is locked."""
    tiny = collected()
    real = collected("-m", "qwen7b or gemma9b")
    unlocked = {check for check in tiny["tiny_qwen2"] if "test_canonical" not in check}
    real_unlocked = {key: {c for c in checks if "test_canonical" not in c} for key, checks in real.items()}

    assert tiny["tiny_qwen2"] == tiny["tiny_gemma2"]
    assert real_unlocked == {"qwen7b": unlocked, "gemma9b": unlocked}
    assert len(unlocked) > 100


@pytest.mark.parametrize(
    ("expression", "keys"),
    [
        ("qwen7b", {"qwen7b"}),
        ("gemma2 and not tiny", {key for key, spec in REGISTRY.items() if spec.family == "gemma2" and not spec.tiny}),
        ("tiny and gemma2", {key for key in TINY if REGISTRY[key].family == "gemma2"}),
        ("tiny and not (tiny_qwen2 or gemma2)", {k for k in TINY - {"tiny_qwen2"} if REGISTRY[k].family != "gemma2"}),
    ],
)
def test_an_expression_selects_its_models(expression: str, keys: set[str]) -> None:
    assert set(collected("-m", expression)) == keys


def test_plain_pytest_means_the_protocol() -> None:
    """`pytest -k preflight` must not run the suite's own unit tests."""
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]

    assert configured["testpaths"] == ["parity"]
    assert "meta" in configured["norecursedirs"]


def test_collecting_leaves_no_run_directory(tmp_path: Path) -> None:
    assert collect("-m", "tiny_qwen2", "--run-dir", str(tmp_path / "run"))["status"] == 0
    assert not (tmp_path / "run").exists()


def test_make_test_runs_every_test_file() -> None:
    lines = [line for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines() if "-m pytest" in line]
    named = [ROOT / word for line in lines for word in line.split() if (ROOT / word).is_dir()]
    tracked = subprocess.run(["git", "-C", ROOT, "ls-files", "*test_*.py"], capture_output=True, text=True, check=True)

    # docs/author is another repository, whose test is run where the wheel is
    files = [ROOT / name for name in tracked.stdout.split() if not name.startswith("docs/author/")]
    # norecursedirs: a folder called meta is run only where it is named itself
    reached = [f for f in files if any(f.is_relative_to(d) and ("meta" not in f.relative_to(d).parts) for d in named)]
    assert reached == files


@pytest.mark.parametrize("more", [(), ("-k", "behavior")])
def test_locking_alone_runs_the_preflight_and_the_canonical_directions(more: tuple[str, ...]) -> None:
    ids = collect("-m", "tiny_qwen2", "--snapshot-update", *more)["ids"]
    files = {nodeid.partition("::")[0].removeprefix("parity/test_") for nodeid in ids}

    assert {name.partition("_")[0] for name in files} == ({"behavior.py"} if more else {"preflight", "canonical.py"})
