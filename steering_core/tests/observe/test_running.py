"""Threads and child processes are counted while they run, but not those that a library starts once for all."""

import subprocess
import sys
import threading
from collections.abc import Sequence

import pytest

from steering_core.observe.running import running


class Monitor(threading.Thread):
    """As tqdm's thread."""

    __module__ = "tqdm._monitor"


def of_child(command: Sequence[str]) -> set[str]:
    """What is running besides while a child runs that repeats its input."""
    before = running()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(b"\n")
        child.stdout.readline()  # it has its own name now
        found = {name for name, numbers in running().items() if before.get(name) != numbers}
        child.communicate()
    assert running() == before
    return found


@pytest.mark.parametrize(("kind", "expected"), [(threading.Thread, {"thread Thread (wait)"}), (Monitor, set())])
def test_a_thread_runs_until_it_ends(kind: type[threading.Thread], expected: set[str]) -> None:
    before, end = running(), threading.Event()
    thread = kind(target=end.wait)
    thread.start()
    found = {name for name, numbers in running().items() if before.get(name) != numbers}
    end.set()
    thread.join()

    assert {name.replace("Monitor", "Thread") for name in found} == expected
    assert running() == before


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_child_runs_until_it_was_waited_for() -> None:
    assert of_child(["cat"]) == {"child process cat"}


def test_what_a_library_starts_once_is_not_counted() -> None:
    assert of_child(["sh", "-c", "cat; : multiprocessing.resource_tracker"]) == set()
