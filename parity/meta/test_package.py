"""The distribution: built from the checkout, unpacked into an empty environment, and used from a folder outside of it."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from parity.meta.documented_commands import commands_of, read_pages
from parity.meta.shares import in_part
from parity.package import __main__ as command
from steering_core.places import ROOT

TOOLS = '''\
"""Tools of a library that is not this one."""
from steering_core.models.sites import Site
from steering_core.tools.adapters.hooks import Hooks


class Right(Hooks):
    name = "right"


class OneBlockEarly(Hooks):
    name = "early"

    def read(self, model, batch, sites):
        early = {site: Site(site.stream, max(site.layer - 1, 0)) for site in sites}
        found = super().read(model, batch, list(dict.fromkeys(early.values())))
        return {site: found[early[site]].clone() for site in sites}
'''
TESTS = """\
from mytools import OneBlockEarly, Right
from steering_parity import parametrize_with_checks


@parametrize_with_checks(Right, clauses=["P2", "P3"])
def test_right(check):
    check()


@parametrize_with_checks(OneBlockEarly, clauses=["P1"], expected_failed_checks={"P1": "reads one block early"})
def test_early(check):
    check()


@parametrize_with_checks(Right, clauses=["P3"], expected_failed_checks={"P3": "is in order after all"})
def test_a_failure_that_is_none(check):
    check()
"""


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_certify_explains_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["steering-parity", "certify", option])
    assert command.main() == pytest.ExitCode.OK
    printed = capsys.readouterr().out
    assert printed.startswith("usage: steering-parity certify TOOL [OPTIONS]")
    assert "-k preflight" in printed
    assert all(len(line) < 132 for line in printed.splitlines())


def test_a_closed_standard_output_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["steering-parity", "--no-such-option"])
    monkeypatch.setattr(sys, "stdout", None)
    assert command.main() == pytest.ExitCode.USAGE_ERROR
    assert capsys.readouterr().err == (
        "error: standard output is closed (output-closed); open it, or send it to a file\n"
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the unpacked wheel alone."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True)
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", "dist", "."]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    [wheel] = (source / "dist").glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A library author's repository."""
    (tmp_path / "mytools.py").write_text(TOOLS)
    (tmp_path / "test_mytools.py").write_text(TESTS)
    return tmp_path


AUTHOR = ROOT / "docs" / "author"
PAGE = (AUTHOR / "README.md").read_text(encoding="utf-8")


def run(installed: Path, folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit status and output of a Python program that sees the wheel and not the checkout."""
    environment = {**os.environ, "PYTHONPATH": f"{installed}{os.pathsep}{folder}", "COLUMNS": "200"}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_nothing_but_two_names_is_installed(installed: Path) -> None:
    names = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert names == {"steering_core", "steering_parity"}
    assert not [path for path in installed.rglob("*") if path.name in ("meta", "tests", "faults", "runs")]


def test_no_file_imports_a_name_of_the_checkout(installed: Path) -> None:
    tops = {"parity", "reports", "fixtures", "snapshots", "conftest"}
    for file in installed.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            modules += [name.name for name in node.names] if isinstance(node, ast.Import) else []
            assert not tops & {module.partition(".")[0] for module in modules}, f"{file}: {modules}"


@in_part(1, 3)
def test_the_command_certifies_a_tool_of_another_folder(installed: Path, elsewhere: Path) -> None:
    selected = ("-m", "tiny_qwen2", "-k", "test_location")
    status, printed = run(installed, elsewhere, "-m", "steering_parity", "certify", "mytools:OneBlockEarly", *selected)

    assert status == 1, printed
    assert "off by one block" in printed
    assert "Repeat    steering-parity " in printed
    assert "--tools hooks --tool mytools:OneBlockEarly" in printed
    folders = {path.name for path in elsewhere.iterdir() if path.is_dir()}
    assert folders - {"__pycache__"} == {"steering-parity-runs"}


def test_pytest_finds_the_checks_by_the_name_of_their_package(installed: Path, elsewhere: Path) -> None:
    selected = ("-m", "tiny_qwen2", "-k", "test_shape", "--tools", "hooks")
    status, printed = run(installed, elsewhere, "-m", "pytest", "--pyargs", "steering_parity.parity", *selected)

    assert (status, "SELECTED CHECKS PASSED" in printed) == (0, True), printed


@in_part(0, 3)
def test_a_run_continues_with_its_own_options_however_the_checks_are_named(installed: Path, elsewhere: Path) -> None:
    by_pytest = ("pytest", "--pyargs", "steering_parity.parity")
    selected = ("-m", "tiny_qwen2", "-k", "test_shape", "--tools", "hooks", "--tool", "mytools:Right")
    assert run(installed, elsewhere, "-m", *by_pytest, *selected, "--run-dir", "mine")[0] == 0
    for continued in (("steering_parity",), by_pytest):
        status, printed = run(installed, elsewhere, "-m", *continued, "--resume", "mine")

        assert status == 0, printed
        assert re.search(r"mine: [1-9]\d* finished checks are kept", printed), printed
        assert "(hooks, Right)" in printed


@in_part(2, 3)
def test_checks_stand_in_a_library_authors_own_tests(installed: Path, elsewhere: Path) -> None:
    status, printed = run(
        installed, elsewhere, "-m", "pytest", "-q", "--strict-markers", "-W", "error::pytest.PytestWarning"
    )

    assert status == 1
    assert (
        "[XPASS(strict)] is in order after all (remove it from expected_failed_checks once the check passes)" in printed
    )
    assert "FAILED test_mytools.py::test_a_failure_that_is_none[P3-dtype-tiny_qwen2]" in printed
    assert "1 failed" in printed, printed
    assert "xfailed" in printed, printed


def commands_of_the_author() -> list[list[str]]:
    """What README of the example repository says to run, as words."""
    return [command.words for command in commands_of("docs/author/README.md", PAGE)]


def test_the_commands_of_the_guide_select_checks(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "mypkg").mkdir()
    (tmp_path / "mypkg" / "__init__.py").write_text("from mypkg.tool import MyTool\n")
    (tmp_path / "mypkg" / "tool.py").write_text("from steering_core import Hooks as MyTool\n")
    typed = [each.words for each in commands_of("certify", read_pages()["docs/certify.md"]) if not each.reason]
    assert len(typed) >= 4

    for program, *words in typed:
        module = {"pytest": "pytest", "steering-parity": "steering_parity"}[program]
        one = ("-m", "tiny_qwen2", "--collect-only", "-q")
        status, printed = run(installed, tmp_path, "-m", module, *words, *one)
        assert (status, "test_dtype[tiny_qwen2" in printed) == (0, True), printed


CERTIFYING = [pytest.param(words, marks=in_part(number, 2)) for number, words in enumerate(commands_of_the_author())]


@pytest.mark.parametrize("words", CERTIFYING, ids=lambda words: words[0])
def test_a_library_authors_repository_is_certified(installed: Path, tmp_path: Path, words: list[str]) -> None:
    shutil.copytree(AUTHOR, tmp_path / "author")
    module = {"pytest": "pytest", "steering-parity": "steering_parity"}[words[0]]

    status, printed = run(installed, tmp_path / "author", "-m", module, *words[1:])

    assert status == 0, printed
    assert "skipped" not in printed


def test_the_authors_workflow_runs_the_documented_commands_on_twenty_lines_of_test() -> None:
    source = (AUTHOR / "tests" / "test_parity.py").read_text(encoding="utf-8")
    workflow = yaml.safe_load((AUTHOR / ".github" / "workflows" / "parity.yml").read_text(encoding="utf-8"))
    steps = [shlex.split(step["run"]) for step in workflow["jobs"]["parity"]["steps"] if "run" in step]

    assert source in PAGE
    assert len(source.splitlines()) <= 20
    assert [words[:3] for words in steps if words[0] in ("pytest", "steering-parity")] == [
        words[:3] for words in commands_of_the_author()
    ]


def test_a_session_that_does_not_ask_for_the_suite_loads_none_of_it(installed: Path, elsewhere: Path) -> None:
    (elsewhere / "test_mytools.py").write_text(
        "import sys\n\n\ndef test_loaded(pytestconfig):\n"
        "    ours = [name for name in sys.modules if name.startswith(('steering_', 'torch', 'transformers'))]\n"
        "    assert sorted(ours) == ['steering_parity', 'steering_parity.entry_point']\n"
        "    assert not hasattr(pytestconfig.option, 'tools')\n"
    )
    status, printed = run(installed, elsewhere, "-m", "pytest", "-q", "test_mytools.py")
    assert status == 0, printed


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ((), (ROOT / "parity",)),
        (("-k", "parity"), ("-k", "parity", ROOT / "parity")),
        (("parity/sweeps", "-q"), (ROOT / "parity/sweeps", "-q")),
    ],
)
def test_paths_of_checks_are_those_of_a_checkout(typed: tuple[str, ...], expected: tuple[object, ...]) -> None:
    assert command.placed(typed) == [str(each) for each in expected]
