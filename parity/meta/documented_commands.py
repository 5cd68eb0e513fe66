"""The commands in README and docs/: what the fenced blocks of a page say to type, and which of them no test runs, and why."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from steering_core.places import ROOT

FENCE = re.compile(r"^```(\w*)[ ]*([^\n]*)\n(.*?)^```$", re.M | re.S)
NAMED = re.compile(r"^`([\w.]+)`:\n\n```(?:python|toml)\n(.*?)^```$", re.M | re.S)
NOT_RUN = "not run by the tests: "
STARTS = ("pytest", "python", "pip", "make", "steering-parity", "git")
ON_A_GPU = "--gpu"


@dataclass(frozen=True)
class Command:
    """One line to type. title: of its block. reason: why no test runs it, as the page itself says."""

    page: str
    title: str
    text: str

    @property
    def words(self) -> list[str]:
        """Without the comment behind it, and without variables that are set in front."""
        words = shlex.split(self.text, comments=True)
        return words[next((place for place, word in enumerate(words) if "=" not in word), 0) :]

    @property
    def reason(self) -> str:
        """The title of the block, or that the command asks for a GPU; "" if a test runs it."""
        if self.title.startswith(NOT_RUN):
            return self.title.removeprefix(NOT_RUN)
        return "needs a GPU" if ON_A_GPU in self.text else ""

    @property
    def status(self) -> int:
        """The exit status that the page promises."""
        promised = re.search(r"exit status (\d)", self.title)
        return int(promised[1]) if promised else 0


def read_pages() -> dict[str, str]:
    """{name: text}: README and every page of docs/."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in pages}


def commands_of(page: str, text: str) -> Iterator[Command]:
    """The lines of its bash blocks that start a program of ours."""
    for language, title, block in FENCE.findall(text):
        if language == "bash":
            title = title.removeprefix('title="').removesuffix('"')
            lines = block.replace("\\\n", " ").splitlines()
            yield from (Command(page, title, line) for line in lines if is_command(line))


def is_command(line: str) -> bool:
    """Whether a line of a block starts one of the programs, variables in front of it aside."""
    words = [word for word in line.split() if not re.match(r"\w+=", word)]
    return bool(words) and words[0] in STARTS


def hidden_commands(text: str) -> list[str]:
    """Commands in blocks that are not marked as bash, where no test looks for them."""
    blocks = (block for language, _, block in FENCE.findall(text) if not language)
    return [line for block in blocks for line in block.splitlines() if is_command(line)]


def files_of(text: str) -> dict[str, str]:
    """{name: content} of the files that a page writes out."""
    return dict(NAMED.findall(text))
