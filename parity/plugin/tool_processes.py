"""The tools' processes of a session: one per tool for the whole run, and a fresh one per tool and model for the last
repeat."""

import os
import sys
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from parity.plugin.gpu_share import can_generate_together
from parity.plugin.on_request import asks_for_checks
from parity.plugin.request.run_matrix import RunMatrix
from parity.plugin.session_state import NEEDS_DIRECTIONS
from steering_core.hosts.starting import FRESH_SERVER, SERVER, ForkServer, default_starter
from steering_core.hosts.turn import Turn
from steering_core.tools.spec import ToolSpec

SERVERS = pytest.StashKey[ExitStack]()
"""Ends the fork servers that this process started for its run."""
MOST_BESIDE, CORES = 3, 5
"""Processes per tool on a GPU, unless told otherwise, at most, and one for so many cores: each keeps one busy."""


def share_servers(config: pytest.Config, matrix: RunMatrix) -> None:
    """Servers that tools' processes are forked from, for this process and for the workers of the run together, so that
    torch is imported once for each. Where checks are asked for, the first server imports it while pytest collects; the
    second one, for the last repeat's tools, once it is known that a check needs directions."""
    if sys.platform != "linux" or config.getoption("in_process") or config.getoption("collectonly"):
        return
    asked = asks_for_checks(config)
    if not (asked or getattr(config.option, "numprocesses", None)):
        return
    config.stash[SERVERS] = servers = ExitStack()
    config.add_cleanup(servers.close)
    for name in (SERVER, FRESH_SERVER) if matrix.repeats > 1 else (SERVER,):
        if name in os.environ:
            continue
        server = ForkServer(families(matrix))
        servers.callback(server.close)
        servers.callback(os.environ.pop, name, None)
        os.environ[name] = server.address
        if asked and name == SERVER:
            server.wake()


def end_servers(config: pytest.Config) -> None:
    """They are not needed, because no check is to be run."""
    if servers := config.stash.get(SERVERS, None):
        servers.close()


def default_processes(request: Any) -> int:
    """Of each tool: more than one where they share the weights, and no other worker has processes on the same GPU."""
    from steering_core.hosts.weights import can_share

    alone = "PYTEST_XDIST_WORKER" not in os.environ
    return max(1, min(MOST_BESIDE, (os.cpu_count() or 1) // CORES)) if alone and can_share(request) else 1


def families(matrix: RunMatrix) -> list[str]:
    """The modules of transformers that hold the selected models."""
    return sorted({matrix.registry[key].family.removesuffix("_text") for key in matrix.selected})


class ToolProcesses:
    """Starts them, tells them which model is measured, and ends them."""

    def __init__(self, config: pytest.Config, matrix: RunMatrix, turn: Turn) -> None:
        """turn: given away while a tool's process is waited for."""
        self.config, self.matrix, self.turn = config, matrix, turn
        self.hosts: Any = None
        self.fresh: Any = None
        self.reference: Any = None
        self.may_begin = False
        self.running: list[Any] = []
        self.in_process = bool(config.getoption("in_process"))
        # Before torch is imported here: the servers import it meanwhile.
        self.starter = None if self.in_process else default_starter(families(matrix))
        repeats_anew = matrix.repeats > 1 and config.stash[NEEDS_DIRECTIONS] and not self.in_process
        self.anew = default_starter(families(matrix), fresh=True) if repeats_anew else None

    def count(self, request: Any) -> int:
        """How many use a model at once: of the tools, of the reference beside several of each, and fresh ones."""
        if self.starter is None:
            return 0
        return self._count(self._each(request))

    def _count(self, each: int) -> int:
        tools = len(self.matrix.tools)
        return each * tools + (each if each > 1 else 0) + (0 if self.anew is None else tools)

    def _each(self, request: Any) -> int:
        """Processes of each tool: as many as were asked for; or as have room on the GPU, at most the default."""
        if self.matrix.processes:
            return self.matrix.processes
        numbers = range(default_processes(request), 1, -1)
        return next((each for each in numbers if can_generate_together(request, self._count(each))), 1)

    def begin(self, request: Any) -> None:
        """The model that is about to be loaded: the tools' processes start, and load it too where memory allows."""
        if self.starter is None:
            return
        from steering_core.hosts.pool import Hosts
        from steering_core.hosts.weights import can_share

        settings = {"timeout": self.config.getoption("tool_timeout"), "pythons": self.matrix.pythons}
        settings["turn"] = self.turn
        if self.hosts is None:
            self.hosts = Hosts(self.starter, **settings)
        self.hosts.processes = self._each(request)
        self.running = [self.hosts]
        if self.anew is not None:
            self.fresh = self.fresh or Hosts(self.anew, **settings)
            self.fresh.end()
            self.running.append(self.fresh)
        for hosts in self.running:
            hosts.open(request)
            hosts.begin(self.matrix.tools, opening=not can_share(request))

    def loaded(self, request: Any, model: Any) -> Any:
        """The tools, once the model is loaded; on a GPU their processes share its weights."""
        from steering_core.hosts.local_hosts import LocalHosts
        from steering_core.hosts.weights import can_share

        if self.hosts is None:
            return LocalHosts(model)
        if can_share(request):
            for hosts in self.running:
                hosts.open(request, model)
        self.may_begin = self.hosts.processes > 1
        self.reference = self._references(model)
        return self.hosts

    def _references(self, model: Any) -> Any:
        """Processes in which the reference answers; None where this process does it: there is one process per tool, or
        arithmetic is exact, and many answers are one batch."""
        from steering_core.measure.hosted_reference import SPEC
        from steering_core.measure.reference_processes import ReferenceProcesses

        if self.hosts.processes == 1 or model.exact:
            return None
        hosts = self.hosts
        return ReferenceProcesses(
            hosts.processes, partial(hosts.in_process, SPEC), self.turn, partial(hosts.interrupt, SPEC)
        )

    def begin_further(self) -> None:
        """The first check is over, which further processes would only have held up: they start."""
        if not self.may_begin:
            return
        from steering_core.measure.hosted_reference import SPEC

        self.may_begin = False
        self.hosts.begin_further(self.matrix.tools)
        if self.reference is not None and SPEC not in self.hosts.hosts:  # else they are at work
            self.hosts.begin([SPEC])
            self.hosts.begin_further([SPEC])

    def release(self) -> None:
        """The tools let the model go."""
        self.may_begin = False
        if self.reference is not None:
            self.reference.close()
            self.reference = None
        for hosts in self.running:
            hosts.release()

    def fresh_repeat(self) -> Any:
        """How the last repeat gets a tool; None if there is one repeat only, or no directions are needed."""
        from steering_core.hosts.beside import FreshRepeat

        if self.fresh is None:
            return None
        texts = {ToolSpec.parse(text).label: text for text in self.matrix.tools}
        return FreshRepeat(self.matrix.repeats - 1, lambda label: self.fresh.tool(texts[label]))

    def kill(self) -> None:
        """End the tools' processes at once, whoever waits for them."""
        for hosts in filter(None, (self.hosts, self.fresh)):
            hosts.kill()

    def close(self) -> None:
        """End every process."""
        self.release()
        for hosts, starter in ((self.hosts, self.starter), (self.fresh, self.anew)):
            if hosts is not None:
                hosts.close()
            elif starter is not None:
                starter.close()
