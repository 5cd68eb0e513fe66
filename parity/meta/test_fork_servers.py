"""What tools' processes are forked from starts before pytest collects, where it will be needed, and ends with the run."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from parity.plugin import tool_processes
from parity.plugin.on_request import asks_for_checks
from parity.plugin.tool_processes import end_servers, share_servers
from steering_core.hosts.starting import FRESH_SERVER, SERVER
from steering_core.places import ROOT

COLLECTED_LAST = """
import os
from pathlib import Path
children = Path(f"/proc/self/task/{{os.getpid()}}/children").read_text().split()
servers = [pid for pid in children if b"fork_server" in Path(f"/proc/{{pid}}/cmdline").read_bytes()]
Path(__file__).with_name("servers").write_text(" ".join(servers))
{ending}
"""


def servers_during(folder: Path, ending: str, *options: str) -> tuple[int, list[int]]:
    """A session that collects one file of checks, and then a file that ends so: its exit status, and the process ids of the
    fork servers that it had then."""
    last = folder / "test_last.py"
    last.write_text(COLLECTED_LAST.format(ending=ending))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "parity/test_canonical.py", str(last), "-q"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PARITY_")}
    done = subprocess.run([*command, *options], cwd=ROOT, env=environment, capture_output=True, text=True)
    return done.returncode, [int(line) for line in (folder / "servers").read_text().split()]


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_servers_run_during_collection_and_are_gone_when_it_fails(tmp_path: Path) -> None:
    status, pids = servers_during(tmp_path, "raise RuntimeError", "--run-dir", str(tmp_path / "run"))

    assert status == pytest.ExitCode.INTERRUPTED
    assert pids, "they import torch while pytest collects"
    assert alive(pids) == []


@pytest.mark.parametrize("option", ["--collect-only", "--in-process"])
def test_no_server_starts_where_no_tool_gets_a_process(option: str, tmp_path: Path) -> None:
    assert servers_during(tmp_path, "raise RuntimeError", option, "--run-dir", str(tmp_path / "run"))[1] == []


MAY_HOLD = [
    "",
    ".",
    "parity",
    "parity/test_steering.py::test_x[tiny]",
    "parity/sweeps",
    "parity/findings/test_sites.py",
    "..",
]
CANNOT = [
    "parity/meta",
    "parity/meta/test_docs.py",
    "parity/plugin",
    "steering_core",
    "reports/tests/test_page.py",
    "/usr",
]


@pytest.mark.parametrize(("arguments", "expected"), [(MAY_HOLD, True), (CANNOT, False)])
def test_a_path_tells_whether_checks_may_be_collected(arguments: list[str], expected: bool) -> None:
    place: Any = SimpleNamespace(dir=ROOT)
    for argument in arguments:
        config = cast("pytest.Config", SimpleNamespace(args=["reports", argument], invocation_params=place))
        assert asks_for_checks(config) is expected, argument


class FakeServer:
    """Remembers what is done with it."""

    def __init__(self, families: list[str]) -> None:
        self.address, self.done = f"address {len(STARTED)}", list[str]()
        STARTED.append(self)

    def wake(self) -> None:
        self.done.append("wake")

    def close(self) -> None:
        self.done.append("close")


STARTED: list[FakeServer] = []


class FakeConfig:
    """As much of pytest's config as the servers of a run ask for."""

    def __init__(self, argument: str, workers: int | None, **options: bool) -> None:
        self.args, self.invocation_params, self.stash = [argument], SimpleNamespace(dir=ROOT), pytest.Stash()
        self.option, self.options = SimpleNamespace(numprocesses=workers), options
        self.cleanups = list[Any]()

    def getoption(self, name: str) -> bool:
        return self.options.get(name, False)

    def add_cleanup(self, cleanup: Any) -> None:
        self.cleanups.append(cleanup)


@pytest.fixture
def matrix(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A run of two repeats, whose servers are none."""
    STARTED.clear()
    monkeypatch.setattr(tool_processes, "ForkServer", FakeServer)
    for name in (SERVER, FRESH_SERVER):
        monkeypatch.setenv(name, "")  # so that what a test leaves is taken back
        monkeypatch.delenv(name)
    return SimpleNamespace(repeats=2, selected=(), registry={})


def started(matrix: Any, argument: str = "parity", workers: int | None = None, **options: bool) -> Any:
    config: Any = FakeConfig(argument, workers, **options)
    share_servers(config, matrix)
    return config


@pytest.mark.parametrize("workers", [None, 2])
def test_the_first_server_imports_at_once_and_that_of_the_last_repeat_once_it_is_needed(
    workers: int | None, matrix: Any
) -> None:
    config = started(matrix, workers=workers)

    assert [server.done for server in STARTED] == [["wake"], []]
    assert [os.environ[name] for name in (SERVER, FRESH_SERVER)] == ["address 0", "address 1"], "workers share them"
    end_servers(config)
    assert [server.done[-1] for server in STARTED] == ["close", "close"]
    assert {SERVER, FRESH_SERVER}.isdisjoint(os.environ)


def test_one_repeat_has_one_server(matrix: Any) -> None:
    matrix.repeats = 1
    started(matrix)

    assert len(STARTED) == 1


def test_a_run_uses_the_servers_that_it_was_given_and_leaves_them(matrix: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SERVER, "given")
    end_servers(started(matrix))

    assert os.environ[SERVER] == "given"
    assert len(STARTED) == 1


def test_without_checks_a_server_for_workers_waits_and_else_none_starts(matrix: Any) -> None:
    started(matrix, in_process=True)
    started(matrix, collectonly=True)
    started(matrix, "parity/meta")
    assert STARTED == []

    started(matrix, "parity/meta", workers=2)
    assert [server.done for server in STARTED] == [[], []]


def test_the_servers_end_with_the_session(matrix: Any) -> None:
    for cleanup in started(matrix).cleanups:
        cleanup()

    assert [server.done[-1] for server in STARTED] == ["close", "close"]
