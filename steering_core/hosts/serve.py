"""The program of a tool's process: `python -m steering_core.hosts.serve SOCKET TOOL` answers until the other side is gone.

What the tool prints goes to the process's output, never into an answer.
"""

import gc
import os
import socket
import sys
from typing import Any

from transformers.utils.logging import disable_progress_bar

from steering_core.hosts.session import Session
from steering_core.hosts.starting import settle
from steering_core.hosts.wire import LENGTHS, decode, encode, lengths


def serve(connection: socket.socket, tool: str) -> None:
    """Answer one request after the other; returns when the connection is closed."""
    disable_progress_bar()  # the last lines that a tool printed are for the reader
    session, owner = Session(tool), os.getpid()
    while (request := receive(connection)) is not None:
        answer = _encoded(session.answer(request))
        if os.getpid() != owner:
            os._exit(0)  # the tool forked: only one process may answer
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(answer)
    session.close()


def _encoded(answer: dict[str, Any]) -> bytes:
    """The answer as a frame, or the reason why it cannot be sent."""
    try:
        return encode(answer)
    except Exception as error:
        words = f"the answer cannot be sent: {error}"
        return encode({"raised": type(error).__name__, "message": words, "trace": ""})


def receive(connection: socket.socket) -> Any:
    """The next message; None when the other side is gone."""
    head = exactly(connection, LENGTHS.size)
    if head is None:
        return None
    text, blob = (exactly(connection, size) for size in lengths(head))
    return None if text is None or blob is None else decode(text, blob)


def exactly(connection: socket.socket, size: int) -> bytes | None:
    """That many bytes; None when the other side is gone before."""
    data = bytearray()
    while len(data) < size:
        part = connection.recv(min(size - len(data), 1 << 24))
        if not part:
            return None
        data += part
    return bytes(data)


if __name__ == "__main__":
    settle()
    gc.freeze()  # as in a fork, the garbage collector leaves the imported libraries alone
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
