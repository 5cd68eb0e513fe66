"""Records measured in a forked child, for faulty tools that damage the process that they run in."""

import os
import traceback
from collections.abc import Callable, Iterable

from pydantic import TypeAdapter

from steering_core.records.record import Record

RECORDS = TypeAdapter(list[Record])


def in_child(measure: Callable[[], Iterable[Record]]) -> list[Record]:
    """What `measure` returns in a copy of this process, which ends with it; ChildProcessError if it ends otherwise."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        _answer(measure, writing)
    os.close(writing)
    with open(reading, "rb") as answer:
        text = answer.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status != 0:
        raise ChildProcessError(f"the child ended with status {status}")
    return RECORDS.validate_json(text)


def _answer(measure: Callable[[], Iterable[Record]], writing: int) -> None:
    status = 1
    try:
        with open(writing, "wb") as answer:
            answer.write(RECORDS.dump_json(list(measure())))
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)  # no exit handlers: they are the parent's
