"""Every command in README and docs/ is run by a test, or its page says why none runs it."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from parity.meta.documented_commands import (
    FENCE,
    Command,
    commands_of,
    files_of,
    hidden_commands,
    read_pages,
)
from parity.meta.forked_runs import ForkedRuns
from parity.meta.shares import in_part
from parity.meta.test_ci_docs import unknown_words
from parity.verify.__main__ import build_parser as verify_parser
from parity.verify.__main__ import main as verify
from reports.__main__ import build_parser as reports_parser
from reports.__main__ import main as reports
from reports.run.artifact import write_run
from reports.tests.sweep_run import only, swept
from reports.tests.synthetic_run import MODELS, agreeing
from reports.verdicts import judge
from steering_core.places import ROOT
from steering_core.records.record import Run

PAGES = read_pages()
COMMANDS = [command for page, text in PAGES.items() for command in commands_of(page, text)]
FOLLOWED = ("docs/tutorial.md", "docs/direction.md")
"""Pages whose files and commands belong together: followed from top to bottom."""
FOLLOWED_ELSEWHERE = {
    "docs/extending.md": "parity/meta/test_extending.py::test_an_addition_works_as_described",
    "docs/author/README.md": "parity/meta/test_package.py::test_a_library_authors_repository_is_certified",
    "docs/certify.md": "parity/meta/test_package.py::test_the_commands_of_the_guide_select_checks",
}
RUN_ELSEWHERE = {
    "pytest parity --resume DIR": "parity/meta/test_resume.py::test_killed_runs_resume_without_losing_or_repeating_cells",
    "python -m parity.verify cosmic": "parity/meta/test_verify.py::test_the_command_fails_when_a_check_fails",
}
"""Command without its comment -> the test that runs it."""
TOOL = "from steering_core import Hooks\n\n\nclass {name}(Hooks):\n    name = '{name}'\n"
SWEEP = only(swept(("qwen7b",)), "W1")


def typed(command: Command) -> str:
    """The command without its comment."""
    return re.sub(r"\s+#.*", "", command.text)


def runs_here(command: Command) -> bool:
    """Whether the tests below start it, each for itself."""
    elsewhere = command.page in (*FOLLOWED, *FOLLOWED_ELSEWHERE) or typed(command) in RUN_ELSEWHERE
    return not command.reason and not elsewhere


def name_of(command: Command) -> str:
    return f"{Path(command.page).stem}: {typed(command)}"


SESSIONS = [each for each in COMMANDS if runs_here(each) and each.words[0] == "pytest"]
OF_REPORTS = [each for each in COMMANDS if runs_here(each) and each.words[:3] == ["python", "-m", "reports"]]


def test_every_command_is_run_or_its_page_says_why_not() -> None:
    rest = [each for each in COMMANDS if runs_here(each) and each not in (*SESSIONS, *OF_REPORTS)]

    assert [name_of(each) for each in rest] == [], (
        "no test runs these; run them, or give their block a title: see NOT_RUN"
    )
    assert {page: hidden for page, text in PAGES.items() if (hidden := hidden_commands(text))} == {}
    assert set(RUN_ELSEWHERE) <= {typed(each) for each in COMMANDS}
    assert {*FOLLOWED, *FOLLOWED_ELSEWHERE} <= {each.page for each in COMMANDS}


@pytest.mark.parametrize("test", [*FOLLOWED_ELSEWHERE.values(), *RUN_ELSEWHERE.values()])
def test_the_tests_that_run_the_others_exist(test: str) -> None:
    file, _, name = test.partition("::")

    assert re.search(rf"^def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.M)


def test_a_command_is_found_wherever_it_hides() -> None:
    page = '```bash title="exit status 1"\nA=1 pytest -x  # why\n```\n\n```\npip install x\n```\n\n```bash\nls\n```\n'
    (command,) = commands_of("page", page)

    assert (command.words, command.status, command.reason) == (["pytest", "-x"], 1, "")
    assert hidden_commands(page) == ["pip install x"]
    assert Command("page", "not run by the tests: it is slow", "make x").reason == "it is slow"
    assert Command("page", "", "pytest --gpu").reason == "needs a GPU"


@pytest.mark.parametrize("command", [each for each in COMMANDS if each.reason], ids=name_of)
def test_a_command_that_is_not_run_has_known_options(command: Command, pytestconfig: pytest.Config) -> None:
    words = command.words
    if words[0] == "pytest":
        assert unknown_words(words, pytestconfig) == []
    elif words[:3] == ["python", "-m", "reports.launch"] and "--" in words:
        assert unknown_words(words[words.index("--") + 1 :], pytestconfig) == []
    elif words[:3] == ["python", "-m", "reports"]:
        reports_parser().parse_args(words[3:])
    elif words[:3] == ["python", "-m", "parity.verify"]:
        verify_parser().parse_args(words[3:])


@pytest.mark.parametrize("command", SESSIONS, ids=name_of)
def test_a_session_starts_with_its_options(command: Command, runs: ForkedRuns, tmp_path: Path) -> None:
    """It collects the checks of one tiny model: that the checks themselves run is shown by the runs of the whole suite."""
    text = re.sub(r"envs/\w+/bin/python", sys.executable, typed(command))
    for name in re.findall(r"\w+\.py:(\w+)", text):
        (tmp_path / f"{name}.py").write_text(TOOL.format(name=name), encoding="utf-8")
    words = shlex.split(re.sub(r"\w+\.py:(\w+)", rf"{tmp_path}/\1.py:\1", text))[1:]
    one = () if "-m" in words else ("-m", "tiny_qwen2")

    status = runs.run(*words, *one, "--collect-only", "-q", log=tmp_path / "log")

    assert status == command.status, (tmp_path / "log").read_text()
    assert "::test_" in (tmp_path / "log").read_text()


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with runs under the names that the pages use; the current one."""
    halves = [agreeing().model_copy(update=of_model(model)) for model in MODELS]
    for name, run in {"A": halves[0], "B": halves[1], "DIR": SWEEP, "SAME": halves[0]}.items():
        write_run(tmp_path / name, run, judge(run))
    (tmp_path / "reports").symlink_to(ROOT / "reports")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def of_model(model: str) -> dict[str, object]:
    """What changes when a synthetic run measures one model alone."""
    run: Run = agreeing()
    records = tuple(record for record in run.records if record.cell.model == model)
    cells = tuple(record.cell for record in records)
    plan = run.plan.model_copy(update={"models": (model,), "required": cells, "planned": cells})
    return {"records": records, "plan": plan}


@pytest.mark.parametrize("command", OF_REPORTS, ids=name_of)
def test_a_command_on_stored_runs_does_what_it_says(command: Command, stored: Path) -> None:
    words = command.words[3:]
    if words[0] == "compare":
        words[2] = "SAME"
    if "--read" in words:
        assert reports(["review", "DIR"]) == 0
        sheet = stored / "DIR" / "review.md"
        boxes = re.sub(r"- \[ \]((?:(?!- \[ \]).)*\n- \[ \].*\n- \[ \])", r"- [x]\1", sheet.read_text())
        sheet.write_text(boxes)

    assert reports(words) == command.status


def steps(text: str) -> list[tuple[str, str]]:
    """The blocks of a page to follow, in order: language and content."""
    return [(language, block) for language, _, block in FENCE.findall(text) if language in ("python", "bash")]


@pytest.mark.parametrize("page", [pytest.param(page, marks=in_part(n, 2)) for n, page in enumerate(FOLLOWED)])
def test_a_page_can_be_followed(page: str, runs: ForkedRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = files_of(PAGES[page])
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    programs = [block for language, block in steps(PAGES[page]) if language == "python" and block not in files.values()]

    for command in commands_of(page, PAGES[page]):
        if not command.reason:
            assert follow(command, runs, tmp_path) == command.status, log_of(tmp_path)
    for program in programs:
        assert started(tmp_path, "-c", program) == 0


def follow(command: Command, runs: ForkedRuns, folder: Path) -> int:
    """The exit status of one command of a page, typed in a folder."""
    words = command.words
    if words[0] == "pytest":
        own = [re.sub(r"^(\w+\.py:|first$|broken$|pair$)", rf"{folder}/\1", word) for word in words[1:]]
        return runs.run(*own, log=folder / "log")
    if words[:2] == ["python", "-m"]:
        return {"reports": reports, "parity.verify": verify}[words[2]](words[3:])
    return started(folder, *words[1:])


def started(folder: Path, *words: str) -> int:
    """The exit status of a Python program in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *words], cwd=folder, env=environment, check=False).returncode


def log_of(folder: Path) -> str:
    """What the last sessions printed."""
    return (folder / "log").read_text() if (folder / "log").exists() else ""
