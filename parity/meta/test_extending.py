"""docs/extending.md, followed in a copy of the suite: its files are written, its commands run and end well."""

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from parity.meta.copied_suite import copy_suite
from parity.meta.forked_runs import ForkedRuns
from parity.meta.shares import in_part
from steering_core.places import ROOT

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
FILE = re.compile(r"^`([^`]+)`, (new|at the end|after `([^`]+)`):\n\n```\w+\n(.*?)^```$", re.M | re.S)
COMMANDS = re.compile(r"^```bash\n(.*?)^```$", re.M | re.S)
FOLLOWED = {"A tool of your own": 1, "A built-in tool": 1, "A model": 1, "A direction method": 1, "A verdict rule": 1}
FOLLOWED |= {"A clause": 4}
"""Title -> how many files the section edits."""


@dataclass(frozen=True)
class Addition:
    """A section of the page: the files that it writes, and the commands that must succeed afterwards."""

    title: str
    text: str

    def write(self, tree: Path) -> list[str]:
        """Make the edits in a copy; the files that were edited."""
        edits = FILE.findall(self.text)
        for name, how, line, content in edits:
            path = tree / name
            assert path.exists() is (how != "new"), name
            before = path.read_text(encoding="utf-8") if path.exists() else ""
            path.write_text(inserted(before, line, content) if line else before + content, encoding="utf-8")
        return [name for name, *_ in edits]

    @property
    def commands(self) -> list[str]:
        """One command line each."""
        return [line for block in COMMANDS.findall(self.text) for line in block.splitlines()]


def inserted(text: str, after: str, content: str) -> str:
    """The text with new lines after the one line that contains a phrase."""
    lines = text.splitlines(keepends=True)
    (place,) = (number for number, line in enumerate(lines, start=1) if after in line)
    return "".join([*lines[:place], content, *lines[place:]])


ADDITIONS = [Addition(*section.split("\n", 1)) for section in PAGE.split("\n## ")[1:]]
SHARED = [
    pytest.param(each, marks=in_part([*FOLLOWED].index(each.title), 3)) for each in ADDITIONS if each.title in FOLLOWED
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    copy_suite(tmp_path / "suite")
    return tmp_path / "suite"


def carry_out(command: str, tree: Path, runs: ForkedRuns, log: Path, *more: str) -> int:
    """The exit status of one command of the page in a copy of the suite. more: further options of the protocol's run."""
    words = shlex.split(command)
    if words[0] == "pytest":
        return runs.run(*words[1:], *(more if words[1] == "parity" else ()), log=log, tree=tree)
    command = command.replace("python ", f"{shlex.quote(sys.executable)} ", 1)
    return subprocess.run(command, shell=True, cwd=tree, check=False).returncode


@pytest.mark.parametrize("addition", SHARED, ids=lambda each: each.title)
def test_an_addition_works_as_described(addition: Addition, tree: Path, runs: ForkedRuns, tmp_path: Path) -> None:
    assert len(set(addition.write(tree))) == FOLLOWED[addition.title], "files are edited"

    more = () if "tool" in addition.title else ("--in-process",)
    for number, command in enumerate(addition.commands):
        log = tmp_path / f"{number}.log"
        assert carry_out(command, tree, runs, log, *more) == 0, log.read_text() if log.exists() else command


def test_every_kind_of_addition_is_followed() -> None:
    assert {each.title for each in ADDITIONS} - {*FOLLOWED} == {"A report view"}
    assert all(each.commands and FILE.search(each.text) for each in ADDITIONS if each.title in FOLLOWED)
