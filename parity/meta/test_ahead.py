"""Checks of different tools run side by side, and no tool can tell."""

import os
import signal
from pathlib import Path

import pytest

from parity.meta.forked_runs import ForkedRuns, wait_for
from parity.meta.shares import in_part

TOOLS = """
import itertools, os, time
from pathlib import Path
from steering_core.tools.adapters.hooks import Hooks

HERE = Path(__file__).parent
NUMBERS = itertools.count()

class Logs(Hooks):
    name = "logs"

    def __init__(self):
        self.number = next(NUMBERS)

    def read(self, model, batch, sites):
        with open(HERE / "calls", "a") as calls:
            calls.write(f"object {self.number} reads {len(batch.ids)} rows at {[*map(str, sites)]}\\n")
        return super().read(model, batch, sites)

class First(Hooks):
    me, other = "first", "second"

    def read(self, model, batch, sites):
        (HERE / self.me).touch()
        for _ in range(1000):
            if (HERE / self.other).exists():
                return super().read(model, batch, sites)
            time.sleep(0.01)
        raise RuntimeError(f"{self.other} was not asked meanwhile")

class Second(First):
    me, other = "second", "first"

class Hangs(Hooks):
    name = "hangs"

    def read(self, model, batch, sites):
        (HERE / f"{os.getpid()}.pid").touch()
        time.sleep(3600)

class HangsToo(Hangs):
    name = "hangs too"
"""


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    (tmp_path / "tools.py").write_text(TOOLS)
    return tmp_path / "tools.py"


def check(*arguments: str, folder: Path) -> tuple[str, ...]:
    return ("parity", "-q", "-m", "tiny_qwen2", "--tools", "hooks", *arguments, "--run-dir", str(folder))


@pytest.mark.parametrize(
    "options",
    [pytest.param((), marks=in_part(0, 2)), pytest.param(("--exact",), marks=in_part(1, 2))],
    ids=["plain", "exact"],
)
def test_two_tools_are_asked_at_the_same_time(
    options: tuple[str, ...], runs: ForkedRuns, tools: Path, tmp_path: Path
) -> None:
    both = [word for name in ("First", "Second") for word in ("--tool", f"{tools}:{name}")]
    selected = (*check(*both, *options, folder=tmp_path / "run"), "-k", "shape and batch1")

    status = runs.run(*selected, log=tmp_path / "log")

    assert status == 0, (tmp_path / "log").read_text()


@in_part(1, 2)
def test_a_tool_is_asked_the_same_in_the_same_order_as_by_one_check_after_the_other(
    runs: ForkedRuns, tools: Path, tmp_path: Path
) -> None:
    selected = ("-k", "shape or agreement or test_batch", "--tool", f"{tools}:Logs")
    in_sequence = ("--budget-usd", "1000", "--gpu-hour-usd", "1")
    calls = []
    for number, options in enumerate(((), in_sequence)):
        folder = tmp_path / f"run {number}"
        assert runs.run(*check(*selected, *options, folder=folder), log=tmp_path / "log") == 0
        calls.append((tmp_path / "calls").read_text())
        (tmp_path / "calls").unlink()

    assert calls[0] == calls[1]
    assert calls[0].count("\n") > 10, "prompts are read alone, too"


def test_a_check_that_fails_fails_as_if_pytest_had_called_it(runs: ForkedRuns, tools: Path, tmp_path: Path) -> None:
    tools.write_text(TOOLS.replace("return super().read(model, batch, sites)", "raise ValueError('no')", 1))
    log = tmp_path / "log"
    selected = ("-k", "shape and batch1", "--tool", f"{tools}:Logs")

    assert runs.run(*check(*selected, folder=tmp_path / "run"), log=log) == 1

    printed = log.read_text()
    assert "ValueError: no" in printed, "the tool's own traceback"
    assert "ahead.py" not in printed
    assert "def test_shape(" not in printed, "the suite's own frames say nothing about the tool"
    assert "2 failed, 2 passed" in printed


def test_ctrl_c_ends_a_run_in_which_several_tools_hang(runs: ForkedRuns, tools: Path, tmp_path: Path) -> None:
    both = [word for name in ("Hangs", "HangsToo") for word in ("--tool", f"{tools}:{name}")]
    run = runs.start(*check(*both, folder=tmp_path / "run"), "-k", "shape and batch1", log=tmp_path / "log")
    assert wait_for(lambda: len([*tmp_path.glob("*.pid")]) == 2, run)

    os.kill(run, signal.SIGINT)

    assert runs.wait(60) == pytest.ExitCode.INTERRUPTED
    assert f"Continue  pytest parity --resume {tmp_path / 'run'}   # " in (tmp_path / "log").read_text()
    assert [path for path in tmp_path.glob("*.pid") if Path(f"/proc/{path.stem}").exists()] == []
