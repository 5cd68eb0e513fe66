"""The program that tool processes are forked from: it has torch and transformers imported, and has run no tool.

It reads one request per message from its socket: {"tool": TEXT} with two file descriptors, the tool's connection and its
output, answered with {"pid": N}; or {"status": PID}, answered with the exit status (negative: a signal; null: it runs).
"""

import gc
import json
import os
import socket
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

from steering_core.hosts.serve import serve, settle
from steering_core.hosts.starting import MESSAGE


def run(control: socket.socket, preloaded: list[str]) -> None:
    """Import, then fork until the socket is closed."""
    for name in preloaded:
        with suppress(ImportError):  # of another version of transformers: it is imported when it is needed
            import_module(name)
    gc.collect()
    gc.freeze()  # the collector of a tool's process leaves the imported libraries alone: their memory stays shared
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, MESSAGE, 2)
        if not data:
            return
        request = json.loads(data)
        answer = {"status": _status(request["status"])} if "status" in request else _fork(control, request, descriptors)
        control.send(json.dumps(answer).encode())


def _fork(control: socket.socket, request: dict[str, Any], descriptors: list[int]) -> dict[str, int]:
    """A new process for a tool."""
    if (child := os.fork()) == 0:
        control.close()
        _become_host(request["tool"], *descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    return {"pid": child}


def _become_host(tool: str, connection: int, output: int) -> NoReturn:
    """In the fork: print to `output`, answer on `connection`, and end."""
    status = 1
    try:
        os.setsid()
        settle()
        for stream in (1, 2):
            os.dup2(output, stream)
        os.close(output)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        serve(socket.socket(fileno=connection), tool)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def _status(child: int) -> int | None:
    """The exit status of a tool's process; None while it runs."""
    try:
        done, status = os.waitpid(child, os.WNOHANG)
    except ChildProcessError:
        return 0
    return os.waitstatus_to_exitcode(status) if done else None


if __name__ == "__main__":
    settle()
    run(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
