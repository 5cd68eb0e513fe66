"""Keeps a run from ending early with exit status 0: whatever ends the process before the verdict ends it as an error.

Tools live in processes of their own. This is for code in the judging process: a tool under `--in-process`, a library. What
was taken from these modules before the run, and the C library, are out of its reach.
"""

import os
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from itertools import product
from typing import Any

import pytest

ENDINGS = ("_exit", "execv", "execve")
"""What ends a Python program without its exit handlers; the other `exec` functions of `os` call one of these."""


def guard_exit(config: pytest.Config) -> None:
    """Until the session has ended, each of these functions ends this process with pytest's status of an error."""
    owner, real_exit = os.getpid(), os._exit
    for module, name in product((os, import_module(os.name)), ENDINGS):
        real = getattr(module, name)
        setattr(module, name, partial(_end, f"{module.__name__}.{name}", real, owner, real_exit))
        config.add_cleanup(partial(setattr, module, name, real))


def _end(name: str, real: Callable[..., Any], owner: int, real_exit: Callable[[int], Any], *arguments: Any) -> Any:
    """A child process that was forked may end as it likes."""
    if os.getpid() != owner:
        return real(*arguments)
    line = f"\nERROR: {name} was called before the run had a verdict (early-exit); --resume continues the run\n"
    os.write(2, line.encode())
    sys.stdout.flush()
    return real_exit(int(pytest.ExitCode.INTERNAL_ERROR))
