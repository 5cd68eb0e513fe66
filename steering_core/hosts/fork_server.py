"""The program that tool processes are forked from: it has torch and transformers imported, and has run no tool.

It listens on a Unix socket. A client sends {"tool": TEXT} with two file descriptors, the tool's connection and its output,
and gets {"pid": N}; or {"status": PID}, and gets the exit status (negative: a signal; null: it runs). When a client goes,
so do its tools' processes; when the process that started the server goes, so do the server and the folder of its socket,
which a killed process cannot remove itself.
"""

import json
import os
import select
import signal
import socket
import sys
import traceback
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

from steering_core.hosts.starting import MESSAGE, preload, settle


class Server:
    """listener: where clients connect. Each client's processes are ended with it."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.clients: dict[socket.socket, set[int]] = {}

    def run(self) -> NoReturn:
        """Serve every client, one message at a time."""
        while True:
            for ready in select.select([self.listener, *self.clients], [], [])[0]:
                if ready is self.listener:
                    self.clients[self.listener.accept()[0]] = set()
                else:
                    self._serve(ready)

    def _serve(self, client: socket.socket) -> None:
        data, descriptors = b"", list[int]()
        with suppress(OSError):
            data, descriptors, _, _ = socket.recv_fds(client, MESSAGE, 2)
        if not data:
            self._forget(client)
            return
        request = json.loads(data)
        answer = (
            self._status(client, request["status"]) if "status" in request else self._fork(client, request, descriptors)
        )
        for descriptor in descriptors:
            os.close(descriptor)
        with suppress(OSError):
            client.send(json.dumps(answer).encode())

    def _fork(self, client: socket.socket, request: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
        """A new process for a tool."""
        if (child := os.fork()) == 0:
            for other in (self.listener, *self.clients):
                other.close()
            _become_host(request, *descriptors)
        self.clients[client].add(child)
        return {"pid": child}

    def _status(self, client: socket.socket, child: int) -> dict[str, Any]:
        """The exit status of a tool's process; None while it runs."""
        if child not in self.clients[client]:
            return {"status": 0}
        done, status = os.waitpid(child, os.WNOHANG)
        if not done:
            return {"status": None}
        self.clients[client].discard(child)
        return {"status": os.waitstatus_to_exitcode(status)}

    def _forget(self, client: socket.socket) -> None:
        """End what a client left running."""
        for child in self.clients.pop(client):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child, signal.SIGKILL)
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        client.close()


def _become_host(request: dict[str, Any], connection: int, output: int) -> NoReturn:
    """In the fork: take the client's folder and environment, print to `output`, answer on `connection`, and end."""
    from steering_core.hosts.serve import serve

    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        settle()
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.path[:] = request["path"]
        for stream in (1, 2):
            os.dup2(output, stream)
        os.close(output)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        serve(socket.socket(fileno=connection), request["tool"])
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def end_with_all(server: Server, *_: object) -> NoReturn:
    """The process that started this one has ended: nobody else ends what the tools' processes have started, which is in
    their process groups, and nobody else removes the folder of the socket."""
    address = server.listener.getsockname()
    for child in set[int]().union(*server.clients.values()):
        with suppress(OSError):
            os.killpg(child, signal.SIGKILL)
    with suppress(OSError):
        os.unlink(address)
        os.rmdir(os.path.dirname(address))
    os._exit(0)


if __name__ == "__main__":
    place = socket.socket(fileno=int(sys.argv[1]))
    server = Server(place)
    end = partial(end_with_all, server)
    signal.signal(signal.SIGTERM, end)
    settle(signal.SIGTERM)
    if os.getppid() != int(sys.argv[2]):
        end()  # it ended before `settle`: nobody will connect
    select.select([place], [], [])
    preload(["steering_core.hosts.serve", *sys.argv[3:]])  # nothing is imported before somebody connects
    server.run()
