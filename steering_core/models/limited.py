"""A chat template is a stranger's program: whoever renders one does so in a process that is ended when it takes too much.

Before a run, `chat_template` tries it on one turn, without torch. In the run every turn is rendered here, in a fork, so
that a template that misbehaves for one prompt alone costs seconds and is one clear line.
"""

import gc
import json
import os
import resource
import select
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from steering_core.errors import LoadProblem, first_line
from steering_core.models.chat_template import NO_ANSWER, PATIENCE, own_templates
from steering_core.models.rendering import MOST_CHARACTERS, MOST_MEMORY, MOST_SECONDS

Plain = TypeVar("Plain")
MOST_BYTES = 8 * MOST_CHARACTERS
"""Of an answer: a token id and its comma take at most that many per character."""
PART = 1 << 20
HINT = "a template that renders every prompt as it renders one user turn"


def within_limits(tokenizer: Any, render: Callable[[], Plain]) -> Plain:
    """What `render`, which uses the tokenizer's chat template, returns: plain data. LoadProblem when it fails, takes more
    than `MOST_SECONDS` of processor time or `MOST_MEMORY`, or answers with too much. The suite's own templates need no
    process."""
    template = getattr(tokenizer, "chat_template", None)
    if template is None or (isinstance(template, str) and template in own_templates()):
        return render()
    answer, status = _forked(render)
    if "value" in answer:
        value: Plain = answer["value"]
        return value
    sentence = f"the chat template fails on a prompt: {answer.get('error') or _end_of(status)}"
    raise LoadProblem("chat-template", sentence, HINT)


def render_turns(tokenizer: Any, prompts: Sequence[str]) -> list[str]:
    """Each prompt as one user turn, ready for the answer; LoadProblem as for `within_limits`, and for a turn of more than
    `MOST_CHARACTERS`."""
    form = {"add_generation_prompt": True, "tokenize": False}
    turns = [[{"role": "user", "content": prompt}] for prompt in prompts]
    return within_limits(tokenizer, lambda: [_short(tokenizer.apply_chat_template(turn, **form)) for turn in turns])


def _short(text: str) -> str:
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"it writes more than {MOST_CHARACTERS:,} characters")
    return text


def _forked(render: Callable[[], Any]) -> tuple[dict[str, Any], int]:
    """The answer of the child and its exit status; {} from one that had to be ended for what it took."""
    reading, writing = os.pipe()
    with _forking():
        child = os.fork()
    if child == 0:
        _answer(render, writing)
    os.close(writing)
    try:
        data = _read(reading)
    except TimeoutError:
        data = json.dumps({"error": NO_ANSWER}).encode()
    finally:
        os.close(reading)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with suppress(ValueError):
        return json.loads(data), status
    return {}, status


@contextmanager
def _forking() -> Iterator[None]:
    """Neither Python nor tokenizers warn: the child is of one thread, and tokenizes one text after the other."""
    name = "TOKENIZERS_PARALLELISM"
    before = os.environ.get(name)
    os.environ[name] = before or "false"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        if before is None:
            del os.environ[name]


def _answer(render: Callable[[], Any], writing: int) -> NoReturn:
    """In the child, which runs no exit handler and frees nothing of its parent's."""
    gc.disable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted, and ends this process
    status = 1
    try:
        answer = json.dumps(_limited(render)).encode()
        while answer:
            answer = answer[os.write(writing, answer) :]
        status = 0
    except BaseException:
        pass  # the parent sees an answer that is not whole
    finally:
        os._exit(status)


def _limited(render: Callable[[], Any]) -> dict[str, Any]:
    """{"value"} or {"error"}."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    with suppress(OSError, ValueError):  # no /proc, or less was allowed already
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + MOST_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        return {"value": render()}
    except MemoryError:
        return {"error": f"it takes more than {MOST_MEMORY >> 20} MiB"}
    except BaseException as error:  # whatever the template's expressions raise
        return {"error": f"{type(error).__name__}: {first_line(error)}"}


def _read(reading: int) -> bytes:
    """Everything that the child writes, up to the limit of size; TimeoutError when it neither writes nor ends."""
    data, deadline = bytearray(), time.monotonic() + PATIENCE
    while len(data) <= MOST_BYTES:
        if not select.select([reading], [], [], max(deadline - time.monotonic(), 0))[0]:
            raise TimeoutError
        if not (part := os.read(reading, PART)):
            return bytes(data)
        data += part
    return b""


def _end_of(status: int) -> str:
    if status == -signal.SIGXCPU or status == -signal.SIGKILL:
        return f"it takes more than {MOST_SECONDS} s of processor time, or writes more than {MOST_BYTES:,} bytes"
    return f"its process ended with status {status}"
