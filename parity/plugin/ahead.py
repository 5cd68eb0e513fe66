"""Checks of different tools run side by side: while the answer of one tool is checked, the others' processes work.

Each tool has a thread that runs its checks, in the order of the plan; pytest reports each of them when it comes to it. A
thread gives its turn to another one only while it waits for a tool's process, so what checks share needs no locks. A
check of several tools is run by pytest itself, and the threads of its tools wait for it: every tool is asked the same in
the same order as by one check after the other.
"""

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial

import pytest

from parity.plugin.cells import cell_of, tools_in
from parity.plugin.check_records import recording
from parity.plugin.conducting import conducting
from parity.plugin.context import CheckContext
from parity.plugin.gate import is_preflight
from steering_core.hosts.turn import Turn, computing_as_here

IN_SEQUENCE = ("in_process", "usepdb", "trace", "setuponly", "budget_usd")
"""Options under which nothing is done before pytest comes to it."""
PATIENCE = 5.0
"""Seconds that threads have to end, once their tools' processes are killed."""
MakeContext = Callable[[pytest.Function], CheckContext]


@dataclass(eq=False)
class Step:
    """One check in the work of its tools. done: it has been run, or pytest is past it. error: what its body raised."""

    item: pytest.Function
    tools: tuple[str, ...]
    ahead: bool
    done: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None


STEP = pytest.StashKey[Step]()
"""On the item of a check that was run before pytest came to it."""


class Ahead:
    """The threads of a session. make_context: what a check is given."""

    def __init__(self, config: pytest.Config, tools: Sequence[str], make_context: MakeContext) -> None:
        self.tools, self.make_context = tools, make_context
        self.enabled = not any(config.getoption(name) for name in IN_SEQUENCE)
        self.turn = Turn()
        self.steps: dict[pytest.Item, Step] = {}
        self.threads: list[threading.Thread] = []

    def reach(self, item: pytest.Function, context: CheckContext) -> None:
        """pytest comes to a check: what is before it is over, and what is run ahead is waited for."""
        if self.enabled and item not in self.steps:
            self._begin(item, context)
        for step in self.steps.values():
            if step.ahead and not step.done.is_set():
                with self.turn.waiting():
                    step.done.wait()
            if step.item is item:
                break
            step.done.set()

    def stop(self, kill: Callable[[], None]) -> None:
        """No further check is begun; kill: ends the tools' processes, for which a thread may be waiting."""
        for step in self.steps.values():
            step.done.set()
        if any(thread.is_alive() for thread in self.threads):
            kill()
            with self.turn.waiting():
                for thread in self.threads:
                    thread.join(PATIENCE)

    def _begin(self, item: pytest.Function, context: CheckContext) -> None:
        """Start the tools' threads on the checks that follow, of the same model and on the same side of the gate."""
        self.end()
        try:
            _ = context.measurements
        except Exception:
            return  # it is raised again where pytest sees it
        given = set(dir(context))
        self.steps = {each: self._step(each, given) for each in following(item)}
        self.threads = [
            threading.Thread(target=computing_as_here(partial(self._work, steps)), daemon=True)
            for tool in self.tools
            if (steps := [step for step in self.steps.values() if tool in step.tools])
        ]
        for thread in self.threads:
            thread.start()

    def end(self) -> None:
        """The threads have nothing more to do."""
        for step in self.steps.values():
            step.done.set()
        with self.turn.waiting():
            for thread in self.threads:
                thread.join()
        self.steps, self.threads = {}, []

    def _step(self, item: pytest.Function, given: Collection[str]) -> Step:
        """A check that asks for one tool, and for nothing that only a pytest session has, can be run ahead."""
        names, params = item._fixtureinfo.argnames, item.callspec.params
        tools = tuple(self.tools) if "every_tool" in names else tools_in(params)
        return Step(item, tools, ahead=len(tools) == 1 and all(name in params or name in given for name in names))

    def _work(self, steps: Sequence[Step]) -> None:
        """The thread of one tool."""
        with self.turn.lock:
            try:
                for step in steps:
                    if step.ahead and not step.done.is_set():
                        self._run(step)
                        step.done.set()
                    with self.turn.waiting():
                        step.done.wait()
            finally:
                for step in filter(lambda step: step.ahead, steps):
                    step.done.set()

    def _run(self, step: Step) -> None:
        """Run the body of a check; where its arguments cannot be had, pytest asks for them again and reports why."""
        context = self.make_context(step.item)
        params = step.item.callspec.params
        try:
            names = step.item._fixtureinfo.argnames
            arguments = {name: params[name] if name in params else getattr(context, name) for name in names}
        except BaseException:
            return
        try:
            with recording(context.record), conducting(context):
                step.item.obj(**arguments)
        except BaseException as error:
            step.error = error
        step.item.stash[STEP] = step


def following(item: pytest.Function) -> list[pytest.Function]:
    """A check and those after it, up to another model or the other side of the gate."""
    items = item.session.items
    place = _place(item)
    after = items[items.index(item) :]
    count = next((number for number, each in enumerate(after) if _place(each) != place), len(after))
    return [each for each in after[:count] if isinstance(each, pytest.Function)]


def _place(item: pytest.Item) -> tuple[str, bool] | None:
    cell = cell_of(item)
    return (cell.model, is_preflight(cell)) if cell else None
