"""Nothing that was started for a run outlives it."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

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
