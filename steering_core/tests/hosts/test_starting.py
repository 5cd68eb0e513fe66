"""Nothing that was started for a run outlives it."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from steering_core.hosts.fork_server import Server, end_with_all
from steering_core.hosts.starting import ForkServer
from steering_core.hosts.variables import environment


def test_a_fork_server_ends_when_its_parent_ended_before_it_could_know(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        command = [sys.executable, "-m", "steering_core.hosts.fork_server", str(listener.fileno())]
        command += [str(gone.pid)]
        settings: Any = {"env": environment(), "pass_fds": [listener.fileno()], "stdin": subprocess.DEVNULL}
        server = subprocess.Popen(command, **settings)
        try:
            assert server.wait(timeout=120) == 0
        finally:
            server.kill()
            server.wait()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_killed_leaves_no_folder_of_its_server(tmp_path: Path, number: signal.Signals) -> None:
    script = "from steering_core.hosts.starting import ForkServer; kept = ForkServer(); print(flush=True); input()"
    streams: Any = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
    with subprocess.Popen(
        [sys.executable, "-c", script], env={**environment(), "TMPDIR": str(tmp_path)}, **streams
    ) as run:
        assert run.stdout
        run.stdout.readline()
        assert len(list(tmp_path.iterdir())) == 1
        run.send_signal(number)

    deadline = time.monotonic() + 120
    while list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert list(tmp_path.iterdir()) == []


def test_what_a_tool_has_started_ends_with_the_run(tmp_path: Path) -> None:
    command = ["sh", "-c", "sleep 600 & echo $!; wait"]
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener,
        subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as tool,
    ):
        listener.bind(str(tmp_path / "socket"))
        server = Server(listener)
        server.clients[listener] = {tool.pid}
        assert tool.stdout
        child = int(tool.stdout.readline())
        if (copy := os.fork()) == 0:
            end_with_all(server)
        assert os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]) == 0
        assert tool.wait() == -signal.SIGKILL

    deadline = time.monotonic() + 120
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(child)


def is_running(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_server_that_is_woken_has_what_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    listening = list[int]()

    def popen(command: list[str], pass_fds: list[int], **_: Any) -> Any:
        listening.append(os.dup(pass_fds[0]))
        return SimpleNamespace(kill=lambda: None, wait=lambda: None)

    monkeypatch.setattr(subprocess, "Popen", popen)
    server = ForkServer()
    try:
        assert select.select(listening, [], [], 0)[0] == []
        server.wake()
        assert select.select(listening, [], [], 0)[0] == listening
    finally:
        os.close(listening[0])
        server.close()


def test_a_tool_cannot_read_from_its_environment_that_it_is_under_test() -> None:
    assert "PYTEST_CURRENT_TEST" in os.environ
    assert [name for name in environment() if name.startswith("PYTEST")] == []
    assert environment()["PATH"] == os.environ["PATH"]
