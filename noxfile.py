"""`nox`: each stack of stacks.toml as a session, which installs it and runs the checks of its tools on the tiny models.

    nox --list
    nox -s "transformers-4.49-3.11"                 every family
    nox -s "transformers-4.49-3.11" -- -m tiny_qwen2    one of them; more words are options of pytest
    nox -s table                                    the table, with what all sessions measured

A stack that the suite does not run in holds its tools alone, beside the suite in .venv (`make parity` makes it).
"""

import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nox

HERE = Path(__file__).parent
STACKS: dict[str, dict[str, Any]] = tomllib.loads((HERE / "stacks.toml").read_text(encoding="utf-8"))
SUITE = HERE / ".venv" / "bin" / "python"
RUNS = Path("reports/runs/stacks")
RESULTS = "reports/results"
FAMILIES = [
    "tiny_qwen2",
    "tiny_gemma2",
    "tiny_llama",
    "tiny_mistral",
    "tiny_phi3",
    "tiny_qwen3",
    "tiny_gemma3",
    "tiny_gpt2",
]
"""One tiny model of each family."""
CHECKS = ("parity", "--no-gate", "-k", "preflight or steering", "--programs", "40")
"""What the table is made of. Without the gate, one failure hides no other."""

nox.options.default_venv_backend = "venv"
nox.options.sessions = [f"current-{sys.version_info.major}.{sys.version_info.minor}", "table"]


def arguments(stack: dict[str, Any], python: str, posargs: list[str]) -> list[str]:
    """pytest's, for the tools of a stack that is installed for this interpreter."""
    added = [tool for tool in stack["tools"] if ":" in tool]
    names = {tool: tool.rpartition(":")[2] for tool in stack["tools"]}
    words = ["--tools", ",".join(tool for tool in stack["tools"] if tool not in added) or "hooks"]
    words += [word for tool in added for word in ("--tool", tool)]
    if not stack.get("suite"):
        words += [word for name in names.values() for word in ("--tool-python", f"{name}={python}")]
    chosen = [] if "-m" in posargs else ["-m", " or ".join(stack.get("models", FAMILIES))]
    return [*CHECKS, *words, *chosen, *posargs]


def install(session: nox.Session, stack: dict[str, Any]) -> None:
    """The stack's libraries, in its order."""
    for words in stack["install"]:
        session.install(*words)
    for name in stack.get("uninstall", ()):
        session.run("python", "-m", "pip", "uninstall", "-y", name)


def check(session: nox.Session, name: str) -> None:
    """Install a stack and run the checks of its tools."""
    stack = STACKS[name]
    if not stack.get("suite") and not SUITE.exists():
        session.error("the suite itself runs in .venv, which is not there: make parity")
    install(session, stack)
    own = str(Path(session.virtualenv.bin) / "python")
    suite = own if stack.get("suite") else str(SUITE)
    folder = RUNS / f"{session.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    words = arguments(stack, own, session.posargs)
    # 0: every check holds or is a known deviation; 1: one does not, which is what the table is there to say.
    session.run(suite, "-m", "pytest", *words, "--run-dir", str(folder), external=True, success_codes=[0, 1])


def add_session(name: str, pythons: list[str]) -> None:
    """A session per Python."""

    @nox.session(name=name, python=pythons)
    def run(session: nox.Session) -> None:
        check(session, name)


for stack_name, row in STACKS.items():
    add_session(stack_name, row["pythons"])


@nox.session(python=False)
def table(session: nox.Session) -> None:
    """Keeps what every stored run of the sessions measured, and makes the table of that and of earlier versions."""
    words = ["compatibility", str(RUNS), "--keep", RESULTS, "--into", "reports"]
    session.run(str(SUITE), "-m", "reports", *words, external=True)
