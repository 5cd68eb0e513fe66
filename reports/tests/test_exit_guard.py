"""A process that is ended before its run has a verdict ends with the status of an error."""

import os
import posix
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, cast

import pytest

from reports.exit_guard import guard_exit

TRUE = "/bin/true"
ENDS: dict[str, Callable[[], Any]] = {
    "os._exit(0)": lambda: os._exit(0),
    "os._exit(7)": lambda: os._exit(7),
    "posix._exit(0)": lambda: posix._exit(0),
    "posix.execv": lambda: posix.execv(TRUE, [TRUE]),
    "os.execv": lambda: os.execv(TRUE, [TRUE]),
    "os.execve": lambda: os.execve(TRUE, [TRUE], {}),
    "os.execlp": lambda: os.execlp("true", "true"),
}


class Config(ExitStack):
    """The part of pytest's config that the guard uses."""

    def add_cleanup(self, cleanup: Callable[[], Any]) -> None:
        self.callback(cleanup)


def status_of(act: Callable[[], Any]) -> int:
    """How a child process ends that does this."""
    if (child := os.fork()) == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        act()
        os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("name", ENDS)
def test_an_early_end_is_an_error(name: str) -> None:
    def guarded() -> None:
        guard_exit(cast("pytest.Config", Config()))
        ENDS[name]()

    assert status_of(guarded) == pytest.ExitCode.INTERNAL_ERROR


def test_a_child_process_may_end_as_it_likes() -> None:
    with Config() as config:
        guard_exit(cast("pytest.Config", config))
        assert status_of(lambda: os._exit(5)) == 5
        assert status_of(ENDS["os.execv"]) == 0


def test_the_functions_are_put_back_at_the_end() -> None:
    before = os._exit, os.execv, os.execve
    with Config() as config:
        guard_exit(cast("pytest.Config", config))
        assert os._exit is not before[0]
    assert (os._exit, os.execv, os.execve) == before
