"""All tools of a run: which processes each lives in, and which model they have open."""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from itertools import chain

import torch

from steering_core.hosts.hosted_tool import HostedTool
from steering_core.hosts.process import TIMEOUT, ToolProcess, kill
from steering_core.hosts.starting import Programs, Starter
from steering_core.hosts.tool_host import Opening, ToolHost
from steering_core.hosts.turn import Turn, Value
from steering_core.models.model import LoadedModel, LoadRequest
from steering_core.tools.spec import ToolSpec
from steering_core.tools.tool import Tool


class Hosts:
    """A process per tool, started when it is first needed, and further ones for work that can be shared out.

    starter: starts those of this interpreter. pythons: label of a tool -> the interpreter that it lives in instead.
    timeout: seconds that one answer may take. turn: given away while an answer is waited for. processes: of each tool.
    """

    def __init__(
        self,
        starter: Starter,
        *,
        timeout: float = TIMEOUT,
        pythons: Mapping[str, str] | None = None,
        turn: Turn | None = None,
        processes: int = 1,
    ) -> None:
        self.starter, self.timeout, self.turn, self.processes = starter, timeout, turn, processes
        self.starters: dict[str, Starter] = {}
        self.pythons = dict(pythons or {})
        self.hosts: dict[str, ToolHost] = {}
        self.further: dict[str, list[ToolHost]] = {}
        self.wanted: Opening | None = None
        self.foreign: Opening | None = None

    def open(self, request: LoadRequest, model: LoadedModel | None = None) -> None:
        """The model that tools are asked about from now on; model: the loaded one, if its weights are shared."""
        self.wanted, self.foreign = Opening(request, model), Opening(request)
        self._tell()

    @contextmanager
    def opened(self, request: LoadRequest, model: LoadedModel) -> Iterator[None]:
        """Meanwhile tools are asked about another model, which their processes load themselves."""
        before = self.wanted, self.foreign
        self.open(request)
        try:
            yield
        finally:
            self.wanted, self.foreign = before
            self._tell()

    def release(self) -> None:
        """Every process lets its model go, and so do these objects; a process that does not answer is ended."""
        for host in self.every:
            host.release()
        self.wanted = self.foreign = None
        if torch.cuda.is_initialized():
            gc.collect()
            torch.cuda.ipc_collect()  # what the processes have let go can be freed here
            torch.cuda.empty_cache()

    @property
    def peak(self) -> int:
        """Bytes of its own that a tool's process held on the GPU at most, since the tools were last asked for."""
        return max((host.peak for host in self.every), default=0)

    @property
    def every(self) -> list[ToolHost]:
        """The processes of all tools."""
        return [*self.hosts.values(), *chain.from_iterable(self.further.values())]

    def begin(self, tools: Sequence[str], *, opening: bool = True) -> None:
        """Start the processes of tools; they import their libraries, and open the model, meanwhile."""
        for text in tools:
            self.host(ToolSpec.parse(text)).begin(opening=opening)

    def begin_further(self, tools: Sequence[str]) -> None:
        """Start the further processes of tools, if there are none; they open the model meanwhile."""
        for text in tools:
            self._further(ToolSpec.parse(text))

    def tool(self, text: str) -> HostedTool:
        """A new object of the tool that `text` names."""
        spec = ToolSpec.parse(text)
        host = self.host(spec)
        host.peak = 0
        tool = HostedTool(spec.label, host.ask, host.numbers)
        tool.elsewhere = spec.label in self.pythons
        return tool

    def in_process(self, text: str, number: int) -> HostedTool:
        """A new object of a tool in one of its processes; 0: the first."""
        spec = ToolSpec.parse(text)
        host = self._further(spec)[number - 1] if number else self.host(spec)
        return HostedTool(spec.label, host.ask, host.numbers)

    def beside(self, tool: Tool) -> list[HostedTool]:
        """The same tool in each of its further processes; none for one with its own interpreter, which loads the model
        itself."""
        spec = next((ToolSpec.parse(text) for text in self.hosts if ToolSpec.parse(text).label == tool.name), None)
        further = self._further(spec) if spec and isinstance(tool, HostedTool) else []
        return [HostedTool(tool.name, host.ask, host.numbers) for host in further]

    def at_once(self, works: Sequence[Callable[[], Value]]) -> list[Value]:
        """What several pieces of work return; those in different processes are done at the same time."""
        return self.turn.at_once(works) if self.turn else [work() for work in works]

    def host(self, spec: ToolSpec) -> ToolHost:
        """Where a tool lives."""
        if spec.text not in self.hosts:
            spec.check()
            self.hosts[spec.text] = self._new(spec)
        return self.hosts[spec.text]

    def _further(self, spec: ToolSpec) -> list[ToolHost]:
        if spec.text not in self.further:
            number = 0 if spec.label in self.pythons else self.processes - 1
            self.further[spec.text] = [self._new(spec) for _ in range(number)]
            for host in self.further[spec.text]:
                host.begin(opening=True)  # only here: later a thread may be waiting for its answer
        return self.further[spec.text]

    def _new(self, spec: ToolSpec) -> ToolHost:
        starter = self._starter(self.pythons.get(spec.label, ""))
        process = ToolProcess(starter, spec.text, spec.label, self.timeout)
        return ToolHost(process, self._opening(spec.label), self.turn.waiting if self.turn else nullcontext)

    def _tell(self) -> None:
        """Every process gets to know which model is wanted."""
        for host in self.every:
            host.wanted = self._opening(host.process.label)

    def _opening(self, label: str) -> Opening | None:
        """Another interpreter may have another torch, which cannot share weights: it loads them itself."""
        return self.foreign if label in self.pythons else self.wanted

    def end(self) -> None:
        """End every tool's process; the next question starts a new one."""
        for host in self.every:
            host.process.close()
        self.hosts, self.further = {}, {}

    def interrupt(self, text: str) -> None:
        """End the processes of a tool; who waits for one gets an error, and the next question starts a new one."""
        for host in (self.hosts[text], *self.further.get(text, ())):
            if started := host.process.started:
                kill(started)

    def kill(self) -> None:
        """End every process, also one that another thread waits for: there it is an error of the tool's process."""
        for host in self.every:
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
