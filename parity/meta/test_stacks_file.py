"""stacks.toml, noxfile.py and the weekly workflow: what they name exists, and a session does what it says."""

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml

from parity.meta.test_ci_docs import unknown_words
from steering_core.models.registry import read_registry
from steering_core.places import REGISTRY, ROOT
from steering_core.tools.spec import ToolSpec

WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "compatibility.yml").read_text(encoding="utf-8"))
PINNED_TORCH = re.compile(r"torch==\d+\.\d+\.\d+")


class Session:
    """What nox gives a session; it notes what would run."""

    def __init__(self, name: str, posargs: list[str]) -> None:
        self.name, self.posargs = name, posargs
        self.virtualenv = SimpleNamespace(bin="/made/bin")
        self.installed: list[list[str]] = []
        self.ran: list[list[str]] = []

    def install(self, *words: str) -> None:
        self.installed.append(list(words))

    def run(self, *words: str, **_: Any) -> None:
        self.ran.append(list(words))

    def error(self, sentence: str) -> None:
        raise RuntimeError(sentence)


@pytest.fixture
def noxfile(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """noxfile.py beside a nox that only keeps the sessions: {name: (pythons, function)} in `made`."""
    made: dict[str, Any] = {}

    def session(function: Callable[..., None] | None = None, *, name: str = "", python: Any = None) -> Any:
        def keep(each: Callable[..., None]) -> Callable[..., None]:
            made[name or each.__name__] = (python, each)
            return each

        return keep(function) if function else keep

    monkeypatch.setitem(
        sys.modules, "nox", SimpleNamespace(session=session, Session=Session, options=SimpleNamespace())
    )
    spec = importlib.util.spec_from_file_location("noxfile_under_test", ROOT / "noxfile.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.made = made
    module.SUITE = Path(sys.executable)
    return module


def test_the_three_stacks_are_there_with_an_exact_torch_first_and_tools_that_exist(noxfile: ModuleType) -> None:
    texts = {name: " ".join(word for words in row["install"] for word in words) for name, row in noxfile.STACKS.items()}
    assert re.search(r"transformers==4\.49\.0 .*nnsight==0\.3\.7 pyvene==0\.1\.8", texts["transformers-4.49"])
    assert re.search(r"transformers==4\.57\.\d+ nnsight==0\.7\.\* nnterp==1\.3\.\*", texts["transformers-4.57"])
    assert "constraints.txt" in texts["current"]
    for name, row in noxfile.STACKS.items():
        assert PINNED_TORCH.fullmatch(row["install"][0][-1]), name
        assert set(row["pythons"]) <= {"3.11", "3.12"}
        for tool in row["tools"]:
            ToolSpec.parse(str(ROOT / tool) if ":" in tool else tool).check()
    assert all(
        noxfile.STACKS[name]["pythons"] == ["3.11", "3.12"]
        for name in ("current", "transformers-4.57", "transformers-4.49")
    )


def test_a_session_installs_its_stack_and_runs_the_suite_with_the_tools_in_it(
    noxfile: ModuleType, pytestconfig: pytest.Config
) -> None:
    for name, row in noxfile.STACKS.items():
        pythons, function = noxfile.made[name]
        session = Session(f"{name}-{pythons[0]}", ["-m", "tiny_qwen2"])
        function(session)
        *before, (python, _, module, *words) = session.ran
        assert session.installed == row["install"]
        assert [command[-1] for command in before] == row.get("uninstall", [])
        assert (python, module) == ("/made/bin/python" if row.get("suite") else sys.executable, "pytest")
        assert unknown_words(words, pytestconfig) == []
        hosts = {words[place + 1] for place, word in enumerate(words) if word == "--tool-python"}
        labels = {tool.rpartition(":")[2] for tool in row["tools"]}
        assert hosts == (set() if row.get("suite") else {f"{label}=/made/bin/python" for label in labels})
        assert {words[place + 1] for place, word in enumerate(words) if word == "--tool"} == {
            t for t in row["tools"] if ":" in t
        }
        assert words.count("-m") == 1
        assert f"reports/runs/stacks/{session.name}-" in words[words.index("--run-dir") + 1]


def test_a_session_measures_every_family_that_its_stack_can_load(noxfile: ModuleType) -> None:
    registry = read_registry(REGISTRY)
    assert {registry[key].family for key in noxfile.FAMILIES} == {
        spec.family for spec in registry.values() if spec.tiny
    }
    for row in noxfile.STACKS.values():
        words = noxfile.arguments(row, "python", [])
        chosen = words[words.index("-m") + 1].split(" or ")
        assert chosen == row.get("models", noxfile.FAMILIES)
        assert set(chosen) <= set(registry)


def test_without_the_suite_beside_it_a_session_says_how_to_get_it(noxfile: ModuleType) -> None:
    noxfile.SUITE = Path("nowhere")
    session = Session("repeng-3.11", [])
    with pytest.raises(RuntimeError, match="make parity"):
        noxfile.made["repeng"][1](session)
    assert session.installed == []


def test_the_weekly_workflow_runs_every_session_and_pushes_the_table(noxfile: ModuleType, tmp_path: Path) -> None:
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", WORKFLOW[True]["schedule"][0]["cron"])
    assert WORKFLOW["permissions"] == {"contents": "read"}
    jobs = WORKFLOW["jobs"]
    program = next(step["run"] for step in jobs["stacks"]["steps"] if step.get("shell") == "python")
    environment = {**os.environ, "GITHUB_OUTPUT": str(tmp_path / "output")}
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, check=True)
    rows = json.loads((tmp_path / "output").read_text().removeprefix("rows="))
    made = {name: pythons for name, (pythons, _) in noxfile.made.items() if pythons}
    assert {row["session"]: row["python"] for row in rows} == {
        f"{name}-{each}": each for name in made for each in made[name]
    }
    assert jobs["measure"]["strategy"]["matrix"]["include"] == "${{ fromJson(needs.stacks.outputs.rows) }}"
    steps = [step for job in ("measure", "table") for step in jobs[job]["steps"]]
    assert all(("uses" in step) != ("run" in step) for step in steps)
    commands = [shlex.split(line) for step in steps for line in step.get("run", "").splitlines()]
    assert ["nox", "-s", "${{", "matrix.session", "}}"] in commands
    assert [
        ".venv/bin/python",
        "-m",
        "reports",
        "compatibility",
        "history",
        "--keep",
        "reports/results",
        "--into",
        "reports",
    ] in commands


def test_what_runs_before_a_commit_is_what_make_lint_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    target = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nlint:")[2].partition("\n\n")[0]
    lint = [line.strip().replace("$(BIN)", ".venv/bin") for line in target.splitlines()[1:]]
    whole = [f"{hook['entry']} ." if hook.get("pass_filenames", True) else hook["entry"] for hook in hooks]
    assert whole == lint
    assert {hook["language"] for hook in hooks} == {"system"}
