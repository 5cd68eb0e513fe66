"""How a tool's process is started: forked from a server that has torch imported, or as a program of any interpreter.

Importing this file imports no torch: the server can be started first, and imports it meanwhile.
"""

import ctypes
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import import_module
from typing import Any, Protocol

from steering_core.errors import SuiteError
from steering_core.hosts.variables import environment

PRELOADED = ("torch", "transformers.models.auto.modeling_auto", "transformers.models.auto.tokenization_auto")
DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux's prctl."""
MESSAGE = 200_000
"""Bytes that a message to or from the fork server has at most."""
SERVER, FRESH_SERVER = "PARITY_FORK_SERVER", "PARITY_FRESH_FORK_SERVER"
"""Environment variables: the address of a fork server that several runs, or the workers of one, share."""
PATIENCE = 5.0
"""Seconds that an ended process has to say how it ended."""


@dataclass(eq=False)
class Started:
    """A tool's process: the connection to it, the end of a pipe where its output arrives, and how to learn its id."""

    connection: socket.socket
    output: int
    identify: Callable[[], int]

    @cached_property
    def pid(self) -> int:
        """The process's id; SuiteError if it was never started."""
        return self.identify()


class Starter(Protocol):
    """Starts tool processes and tells how they ended."""

    def start(self, tool: str) -> Started:
        """A new process for a tool."""

    def status(self, pid: int) -> int | None:
        """The exit status of a process, negative for a signal; None while it runs."""

    def close(self) -> None:
        """No further process is started."""


class ForkServer:
    """A process of this interpreter that imports torch and transformers, to fork tools' processes from (Linux).

    address: where it listens; it imports nothing before somebody connects.
    """

    def __init__(self, families: Sequence[str] = (), libraries: Sequence[str] = (), **settings: str) -> None:
        """families: of transformers; libraries: further modules that every process starts with; settings: further
        environment variables, for those that are read when a library is loaded."""
        self.folder = tempfile.TemporaryDirectory(prefix="tools-")
        self.address = os.path.join(self.folder.name, "socket")
        modules = [*modules_of(families), *libraries]
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(self.address)
            listener.listen(64)
            command = [sys.executable, "-m", "steering_core.hosts.fork_server", str(listener.fileno())]
            command += [str(os.getpid()), *modules]
            streams: Any = {"stdin": subprocess.DEVNULL, "start_new_session": True}  # Ctrl-C is for the judging process
            variables = {**environment(), **settings}
            self.process = subprocess.Popen(command, env=variables, pass_fds=[listener.fileno()], **streams)

    def wake(self) -> None:
        """Let it import its libraries now, before anybody needs a process of it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.connect(self.address)

    def close(self) -> None:
        """End the server, and every process that was forked from it."""
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()


class Forks:
    """Starts tools' processes from the server at an address; it may be owned, and is then closed too."""

    def __init__(self, address: str, owned: ForkServer | None = None) -> None:
        self.owned = owned
        self.control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.connect(address)
        self.requested, self.pids = 0, list[int]()
        self.lock = threading.Lock()  # a message and its answer are not mixed up with another thread's

    def start(self, tool: str) -> Started:
        """A fork for a tool; it answers once the server has imported its libraries."""
        ours, theirs = socket.socketpair()
        read, write = os.pipe()
        request = {"tool": tool, "folder": os.getcwd(), "environment": environment(), "path": sys.path}
        try:
            with self.lock:
                number, self.requested = self.requested, self.requested + 1
                with suppress(OSError):  # the answer will be missing
                    socket.send_fds(self.control, [json.dumps(request).encode()], [theirs.fileno(), write])
        finally:
            theirs.close()
            os.close(write)
        return Started(ours, read, partial(self._pid, number))

    def status(self, pid: int) -> int | None:
        """The exit status of a fork, negative for a signal; None while it runs."""
        with self.lock, suppress(OSError, SuiteError):
            self._take_pids(self.requested)
            self.control.send(json.dumps({"status": pid}).encode())
            status: int | None = self._answer()["status"]
            return status
        return None

    def _pid(self, number: int) -> int:
        with self.lock:
            self._take_pids(number + 1)
            return self.pids[number]

    def _take_pids(self, count: int) -> None:
        """Forks are answered in the order in which they were asked for."""
        while len(self.pids) < count:
            self.pids.append(int(self._answer()["pid"]))

    def _answer(self) -> dict[str, Any]:
        try:
            data = self.control.recv(MESSAGE)
        except OSError:
            data = b""
        if not data:
            raise SuiteError("fork-server", "the process that tools are forked from has ended", "run again")
        answer: dict[str, Any] = json.loads(data)
        return answer

    def close(self) -> None:
        """End the connection: the server ends what was started over it."""
        self.control.close()
        if self.owned:
            self.owned.close()


class Programs:
    """Starts a new interpreter per tool: this one, or another that has torch, transformers, safetensors and numpy."""

    def __init__(self, python: str = sys.executable) -> None:
        self.python = python
        self.running: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, tool: str) -> Started:
        """A new interpreter for a tool."""
        ours, theirs = socket.socketpair()
        read, write = os.pipe()
        command = [self.python, "-m", "steering_core.hosts.serve", str(theirs.fileno()), tool]
        streams: Any = {"stdin": subprocess.DEVNULL, "stdout": write, "stderr": write, "start_new_session": True}
        try:
            process = subprocess.Popen(command, env=environment(), pass_fds=[theirs.fileno()], **streams)
        except OSError as error:
            raise SuiteError(
                "tool-python", f"{self.python} cannot be started: {error}", "a Python interpreter"
            ) from None
        finally:
            theirs.close()
            os.close(write)
        self.running[process.pid] = process
        return Started(ours, read, lambda: process.pid)

    def status(self, pid: int) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self.running[pid].poll()

    def close(self) -> None:
        """Reap what has ended."""
        for process in self.running.values():
            process.kill()
            process.wait()


def default_starter(families: Sequence[str] = (), *, fresh: bool = False) -> Starter:
    """Forks from the server that the environment names, or from one of its own; a program per tool where forking is not
    safe. fresh: another server than the one that other tools' processes came from."""
    if sys.platform != "linux":
        return Programs()
    if address := os.environ.get(FRESH_SERVER if fresh else SERVER):
        return Forks(address)
    server = ForkServer(families)
    return Forks(server.address, owned=server)


def modules_of(families: Sequence[str]) -> list[str]:
    """What a process needs to load models of these families of transformers."""
    return [*PRELOADED, *(f"transformers.models.{name}.modeling_{name}" for name in families)]


def preload(names: Sequence[str]) -> None:
    """Import modules, and keep what they hold from the garbage collector: looking through all of it takes it longer than
    a read takes a tool, and in a fork copies the memory that is shared."""
    gc.disable()
    try:
        for name in names:
            with suppress(ImportError):  # of another version of transformers: it is imported when it is needed
                import_module(name)
        gc.freeze()
    finally:
        gc.enable()


def settle(end: signal.Signals = signal.SIGKILL) -> None:
    """This process gets the signal `end` when its parent ends, and leaves Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, end)


def final_status(starter: Starter, pid: int) -> int | None:
    """How a process ended whose connection is gone; None if it still runs after some seconds."""
    deadline = time.monotonic() + PATIENCE
    while (status := starter.status(pid)) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return status
