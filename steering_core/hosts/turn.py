"""Threads of the judging process: of all that work on a run, one has the turn, and the others wait for it or for tools'
processes, so what they share needs no locks."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

Value = TypeVar("Value")


class Turn:
    """Whose turn it is; at first that of the thread that makes this object."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # which only the thread that has it can give away
        self.lock.acquire()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """While this thread waits for something, another one has the turn."""
        with suppress(RuntimeError):  # it has no turn to give: Ctrl-C came while it waited for one
            self.lock.release()
        try:
            yield
        finally:
            self.lock.acquire()

    def begin(self, work: Callable[[], Value]) -> "Future[Value]":
        """Let another thread do some work, which it begins when it gets the turn; the future has what comes of it."""
        future: Future[Value] = Future()

        def finish() -> None:
            with self.lock:
                try:
                    future.set_result(work())
                except BaseException as error:
                    future.set_exception(error)

        threading.Thread(target=computing_as_here(finish), daemon=True).start()
        return future

    def at_once(self, works: Sequence[Callable[[], Value]]) -> list[Value]:
        """What several pieces of work return, each in a thread of its own; what the first of them raised is raised here,
        when all are over."""
        if len(works) == 1:
            return [works[0]()]
        futures: list[Future[Any]] = [self.begin(work) for work in works]
        with self.waiting():
            wait(futures)
        return [future.result() for future in futures]


def computing_as_here(work: Callable[[], None]) -> Callable[[], None]:
    """The work of another thread, done with as many of torch's threads as this one computes with: a new thread has a
    number of its own, and exact arithmetic holds for one only."""
    import torch  # which this file leaves alone until a model is loaded

    count = torch.get_num_threads()

    def same() -> None:
        torch.set_num_threads(count)
        work()

    return same
