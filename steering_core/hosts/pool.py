"""All tools of a run: which process each lives in, and which model it has open."""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

import torch

from steering_core.errors import RaisedByTool, SuiteError
from steering_core.hosts.hosted_tool import HostedTool, value_of
from steering_core.hosts.process import TIMEOUT, ToolProcess
from steering_core.hosts.starting import Programs, Starter
from steering_core.hosts.weights import share
from steering_core.models.model import LoadedModel, LoadRequest
from steering_core.tools.spec import ToolSpec

Asked = Mapping[str, Any]
Waiting = Callable[[], AbstractContextManager[Any]]
Work = Callable[[], object]


@dataclass(frozen=True, eq=False)
class Opening:
    """The model that tools are asked about. model: the loaded one, if its weights are shared."""

    request: LoadRequest
    model: LoadedModel | None = None

    def message(self) -> dict[str, Any]:
        """The request that makes a tool's process open it."""
        weights = share(self.model) if self.model else None
        return {"do": "open", "model": self.request, "weights": weights}


class ToolHost:
    """The process of one tool. It opens the model before it is asked about it, and again after a restart."""

    def __init__(self, process: ToolProcess, wanted: Opening | None, waiting: Waiting = nullcontext) -> None:
        self.process, self.wanted, self.waiting = process, wanted, waiting
        self.opened: Opening | None = None
        self.description: Any = None
        self.awaited: list[str] = []
        self.supported: WeakKeyDictionary[Opening, dict[Any, Any]] = WeakKeyDictionary()  # a model is let go
        self.numbers = count()
        self.peak = 0

    def begin(self, *, opening: bool) -> None:
        """Start the process, and let it open the model, or get its GPU ready for one that is being loaded here, without
        waiting for it; errors are told when it is asked."""
        with suppress(SuiteError):
            if self.process.started is None:
                self.process.send({"do": "describe"})
                self.awaited = ["describe"]
            if self.wanted is None or self.opened is self.wanted:
                return
            device = self.wanted.request.device
            if opening:
                self.process.send(self.wanted.message())
                self.awaited.append("open")
            elif device != "cpu":
                self.process.send({"do": "warm_up", "device": device})
                self.awaited.append("warm_up")

    def ask(self, request: Asked, meanwhile: Work | None = None) -> Any:
        """The value of the answer; what went wrong in the process is raised here. meanwhile: done while the process
        works; it may fail."""
        self._take_awaited()
        if request["do"] == "describe":
            if self.description is None:
                self.description = value_of(self._answer(request))
            return self.description
        if self.process.started is None or self.opened is not self.wanted:
            assert self.wanted is not None, "no model was opened"
            value_of(self._answer(self.wanted.message()))
            self.opened = self.wanted
        if request["do"] == "supports":
            return self._supports(request)
        answer = self._answer(request, meanwhile)
        self.peak = max(self.peak, answer.get("peak", 0))
        return value_of(answer)

    def _answer(self, request: Asked, meanwhile: Work | None = None) -> dict[str, Any]:
        if meanwhile is not None:
            self.process.send(request)
            with suppress(Exception):
                meanwhile()
        with self.waiting():
            return self.process.ask(request) if meanwhile is None else self.process.receive()

    def _supports(self, request: Asked) -> Any:
        """Asked once per model, about every site and action together; what is no answer then is asked for by itself."""
        assert self.opened is not None, "no model was opened"
        key = request["site"], request["action"]
        if self.opened not in self.supported:
            known = self.supported[self.opened] = {}
            try:
                answers = value_of(self._answer({"do": "supported"}))
            except (SuiteError, RaisedByTool):
                return self.ask(request)  # in a new process, if this one has ended
            known |= {pair: answer["value"] for pair, answer in answers.items() if "value" in answer}
        known = self.supported[self.opened]
        if key not in known:
            known[key] = value_of(self._answer(request))
        return known[key]

    def release(self) -> None:
        """Let the model go; a process that is busy, does not answer, or was left changed is ended."""
        self.wanted = self.opened = None
        ended = bool(self.process.asked)
        if not ended and self.process.started is not None:
            with suppress(SuiteError):
                ended = bool(self.process.ask({"do": "release"}).get("value"))
        if ended:
            self.process.close()
            self.awaited = []

    def _take_awaited(self) -> None:
        """The answers to what `begin` asked for."""
        awaited, self.awaited = self.awaited, []
        for what in awaited:
            with self.waiting():
                answer = self.process.receive()
            if what == "describe":
                self.description = answer.get("value")
            elif what == "open":
                self.opened = self.wanted if "value" in answer else None


class Hosts:
    """One process per tool, started when it is first needed.

    starter: starts those of this interpreter. pythons: label of a tool -> the interpreter that it lives in instead.
    timeout: seconds that one answer may take. waiting: entered while an answer is waited for.
    """

    def __init__(
        self,
        starter: Starter,
        *,
        timeout: float = TIMEOUT,
        pythons: Mapping[str, str] | None = None,
        waiting: Waiting = nullcontext,
    ) -> None:
        self.starter, self.timeout, self.waiting = starter, timeout, waiting
        self.starters: dict[str, Starter] = {}
        self.pythons = dict(pythons or {})
        self.hosts: dict[str, ToolHost] = {}
        self.wanted: Opening | None = None
        self.foreign: Opening | None = None

    def open(self, request: LoadRequest, model: LoadedModel | None = None) -> None:
        """The model that tools are asked about from now on; model: the loaded one, if its weights are shared."""
        self.wanted, self.foreign = Opening(request, model), Opening(request)
        for host in self.hosts.values():
            host.wanted = self._opening(host.process.label)

    @contextmanager
    def opened(self, request: LoadRequest, model: LoadedModel) -> Iterator[None]:
        """Meanwhile tools are asked about another model, which their processes load themselves."""
        before = self.wanted, self.foreign
        self.open(request)
        try:
            yield
        finally:
            self.wanted, self.foreign = before
            for host in self.hosts.values():
                host.wanted = self._opening(host.process.label)

    def release(self) -> None:
        """Every process lets its model go, and so do these objects; a process that does not answer is ended."""
        for host in self.hosts.values():
            host.release()
        self.wanted = self.foreign = None
        if torch.cuda.is_initialized():
            gc.collect()
            torch.cuda.ipc_collect()  # what the processes have let go can be freed here
            torch.cuda.empty_cache()

    @property
    def peak(self) -> int:
        """Bytes of its own that a tool's process held on the GPU at most, since the tools were last asked for."""
        return max((host.peak for host in self.hosts.values()), default=0)

    def begin(self, tools: Sequence[str], *, opening: bool = True) -> None:
        """Start the processes of tools; they import their libraries, and open the model, meanwhile."""
        for text in tools:
            self.host(ToolSpec.parse(text)).begin(opening=opening)

    def tool(self, text: str) -> HostedTool:
        """A new object of the tool that `text` names."""
        spec = ToolSpec.parse(text)
        host = self.host(spec)
        host.peak = 0
        tool = HostedTool(spec.label, host.ask, host.numbers)
        tool.elsewhere = spec.label in self.pythons
        return tool

    def host(self, spec: ToolSpec) -> ToolHost:
        """Where a tool lives."""
        if spec.text not in self.hosts:
            spec.check()
            starter = self._starter(self.pythons.get(spec.label, ""))
            process = ToolProcess(starter, spec.text, spec.label, self.timeout)
            self.hosts[spec.text] = ToolHost(process, self._opening(spec.label), self.waiting)
        return self.hosts[spec.text]

    def _opening(self, label: str) -> Opening | None:
        """Another interpreter may have another torch, which cannot share weights: it loads them itself."""
        return self.foreign if label in self.pythons else self.wanted

    def end(self) -> None:
        """End every tool's process; the next question starts a new one."""
        for host in self.hosts.values():
            host.process.close()
        self.hosts = {}

    def kill(self) -> None:
        """End every process, also one that another thread waits for: there it is an error of the tool's process."""
        for host in self.hosts.values():
            host.process.kill()

    def close(self) -> None:
        """End every process."""
        self.end()
        for starter in (self.starter, *self.starters.values()):
            starter.close()

    def _starter(self, python: str) -> Starter:
        if python and python not in self.starters:
            self.starters[python] = Programs(python)
        return self.starters[python] if python else self.starter
