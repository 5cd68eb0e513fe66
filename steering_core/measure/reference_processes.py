"""Processes in which the reference answers while the run goes on."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from torch import Tensor

from steering_core.hosts.turn import Turn
from steering_core.measure.store import Store
from steering_core.measure.wanted_answers import WantedAnswers, in_batches
from steering_core.tools.tool import Tool


@dataclass(eq=False)
class ReferenceProcesses:
    """attach: the number of one of its processes -> the reference there. turn: given away while they answer. interrupt:
    ends the processes that are at work."""

    number: int
    attach: Callable[[int], Tool]
    turn: Turn
    interrupt: Callable[[], None]
    _queue: deque[tuple[Path, WantedAnswers]] = field(default_factory=deque, init=False)
    _answers: dict[Path, Future[Tensor]] = field(default_factory=dict, init=False)
    _working: dict[int, Future[None]] = field(default_factory=dict, init=False)
    _attached: dict[int, Tool] = field(default_factory=dict, init=False)

    def get(self, store: Store, wanted: Sequence[WantedAnswers]) -> Tensor | None:
        """The first of these answers, once it is there; the others are begun, and are in the store later. None if its
        process failed."""
        for each in wanted:
            path = store.path(each.key)
            if path not in self._answers:
                self._answers[path] = Future()
                self._queue.append((path, each))
        first = store.path(wanted[0].key)
        self._queue = deque(sorted(self._queue, key=lambda entry: entry[0] != first))
        for process in range(self.number):
            if self._queue and (process not in self._working or self._working[process].done()):
                self._working[process] = self.turn.begin(partial(self._work, store, process))
        with self.turn.waiting():
            wait([self._answers[first]])
        return None if self._answers[first].exception() else self._answers[first].result()

    def close(self) -> None:
        """What nobody has waited for is not generated."""
        self._queue.clear()
        if not all(work.done() for work in self._working.values()):
            self.interrupt()
            with self.turn.waiting():
                wait(self._working.values())

    def _work(self, store: Store, process: int) -> None:
        while self._queue:
            path, wanted = self._queue.popleft()
            try:
                if process not in self._attached:
                    self._attached[process] = self.attach(process)
                generate = self._attached[process].generate
                self._answers[path].set_result(store.get(wanted.key, partial(in_batches, wanted, generate)))
            except Exception as error:
                self._answers[path].set_exception(error)
