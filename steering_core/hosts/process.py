"""One tool's process, seen from the judging process: asked, waited for within a limit, and started anew after it failed."""

import os
import select
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from steering_core.errors import SuiteError
from steering_core.hosts.starting import Started, Starter, final_status
from steering_core.hosts.wire import LENGTHS, Nonsense, decode, encode, lengths

KEPT = 4000
"""Bytes of a process's latest output that are kept."""
PART = 1 << 20
TIMEOUT = 900.0
"""Seconds that one answer may take, unless told otherwise."""
HINT = "the tool's own code did this; --in-process runs it in pytest's process, for a debugger"


class HostProblem(SuiteError):
    """A tool's process that ended, hung or answered nonsense."""


class ToolProcess:
    """label: the tool's name in sentences. timeout: seconds that one answer may take. asked: requests without an answer."""

    def __init__(self, starter: Starter, tool: str, label: str, timeout: float = TIMEOUT) -> None:
        self.starter, self.tool, self.label, self.timeout = starter, tool, label, timeout
        self.started: Started | None = None
        self.printed = b""
        self.doing = ""
        self.asked = 0
        self.over = False

    def start(self) -> Started:
        """The running process, started if there is none; HostProblem after `kill`."""
        if self.started is None:
            if self.over:
                raise HostProblem("tool-process", f"the process of {self.label} was ended with the run", HINT)
            self.printed = b""
            self.started = self.starter.start(self.tool)
            self.started.connection.settimeout(self.timeout)
        return self.started

    def send(self, request: Mapping[str, Any]) -> None:
        """Send a request; its answer is for `receive`."""
        self.doing = request.get("operation", request["do"])
        self.asked += 1
        try:
            self.start().connection.sendall(encode(request))
        except TimeoutError:
            raise self._hung() from None
        except OSError:
            raise self._ended() from None

    def receive(self) -> dict[str, Any]:
        """The answer; HostProblem if the process ends, hangs or answers nonsense, and then it is ended for good."""
        deadline = time.monotonic() + self.timeout
        try:
            text, blob = lengths(self._exactly(LENGTHS.size, deadline))
            answer = decode(self._exactly(text, deadline), self._exactly(blob, deadline))
            if not isinstance(answer, dict):
                raise Nonsense("something other than an answer")
        except Nonsense as error:
            raise self._problem(f"sent an invalid answer ({error})") from None
        self.asked -= 1
        return answer

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        self.send(request)
        return self.receive()

    def close(self) -> None:
        """End the process, and everything that it started, at once."""
        if (started := self.started) is None:
            return
        self.started, self.asked = None, 0
        started.connection.close()
        kill(started)
        os.close(started.output)
        with suppress(SuiteError):
            final_status(self.starter, started.pid)

    def kill(self) -> None:
        """End the process for good; who waits for its answer gets to know."""
        self.over = True
        if started := self.started:
            kill(started)

    def _exactly(self, size: int, deadline: float) -> bytes:
        data = bytearray()
        while len(data) < size:
            try:
                part = self._readable(deadline).connection.recv(min(size - len(data), PART))
            except OSError:
                part = b""
            if not part:
                raise self._ended()
            data += part
        return bytes(data)

    def _readable(self, deadline: float) -> Started:
        """The process, once it has answered something; what it prints is taken meanwhile."""
        started = self.start()
        streams: list[Any] = [started.connection, started.output]
        while True:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise self._hung()
            ready = select.select(streams, [], [], remaining)[0]
            if started.output in ready and not self._take_output(started.output):
                streams.remove(started.output)  # the tool closed it
            if started.connection in ready:
                return started

    def _take_output(self, output: int) -> bytes:
        part = os.read(output, PART)
        self.printed = (self.printed + part)[-KEPT:]
        return part

    def _hung(self) -> HostProblem:
        return self._problem(f"gave no answer within {self.timeout:g} s (--tool-timeout)")

    def _ended(self) -> HostProblem:
        started = self.start()
        status = final_status(self.starter, started.pid)
        with suppress(OSError):
            os.set_blocking(started.output, False)
            while self._take_output(started.output):
                pass
        if status is None:
            return self._problem("closed its connection")
        if status < 0:
            return self._problem(f"was ended by {signal.Signals(-status).name}")
        return self._problem(f"ended with exit status {status}")

    def _problem(self, what: str) -> HostProblem:
        """The problem in words; the process is ended, and the next request starts a new one."""
        self.close()
        lines = [line.strip() for line in self.printed.decode(errors="replace").splitlines() if line.strip()]
        last = f"it last printed: {' | '.join(lines[-3:])[-400:]}" if lines else "it printed nothing"
        return HostProblem(
            "tool-process", f"the process of {self.label} {what} when asked to {self.doing}; {last}", HINT
        )


def kill(started: Started) -> None:
    """End a process and everything that it started."""
    with suppress(ProcessLookupError, PermissionError, SuiteError):
        os.killpg(started.pid, signal.SIGKILL)
