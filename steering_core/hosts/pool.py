"""All tools of a run: which process each lives in, and which model it has open."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from typing import Any

from steering_core.errors import SuiteError
from steering_core.hosts.hosted_tool import HostedTool, open_request, value_of
from steering_core.hosts.process import TIMEOUT, ToolProcess
from steering_core.hosts.session import LocalSession, Session
from steering_core.hosts.starting import Programs, Starter
from steering_core.models.model import LoadedModel, LoadRequest
from steering_core.tools.spec import ToolSpec

Asked = Mapping[str, Any]


class ToolHost:
    """The process of one tool. It opens the model of the day before it is asked about one, and again after a restart."""

    def __init__(self, process: ToolProcess, wanted: dict[str, Any] | None) -> None:
        self.process, self.wanted = process, wanted
        self.opened: object = None
        self.description: Any = None
        self.waiting = False
        self.numbers = count()

    def warm(self) -> None:
        """Start the process and let it open the model, without waiting for either."""
        if self.process.started is None and self.wanted is not None:
            with suppress(SuiteError):  # told when the tool is asked for something
                self.process.send({"do": "describe"})
                self.process.send(self.wanted)
                self.waiting = True

    def ask(self, request: Asked) -> Any:
        """The value of the answer; what went wrong in the process is raised here."""
        if self.waiting:
            self.waiting = False
            described, opened = self.process.receive(), self.process.receive()
            self.description = described.get("value")
            self.opened = self.wanted if "value" in opened else None
        if request["do"] == "describe":
            if self.description is None:
                self.description = value_of(self.process.ask(request))
            return self.description
        if self.process.started is None or self.opened is not self.wanted:
            assert self.wanted is not None, "no model was opened"
            value_of(self.process.ask(self.wanted))
            self.opened = self.wanted
        return value_of(self.process.ask(request))


class Hosts:
    """One process per tool, started when it is first needed.

    starter: starts those of this interpreter. pythons: label of a tool -> the interpreter that it lives in instead.
    timeout: seconds that one answer may take.
    """

    def __init__(self, starter: Starter, *, timeout: float = TIMEOUT, pythons: Mapping[str, str] | None = None) -> None:
        self.starter, self.timeout = starter, timeout
        self.starters: dict[str, Starter] = {}
        self.pythons = dict(pythons or {})
        self.hosts: dict[str, ToolHost] = {}
        self.wanted: dict[str, Any] | None = None

    def open(self, request: LoadRequest, tools: Sequence[str] = ()) -> None:
        """The model that tools are asked about from now on; the processes of `tools` start and load it meanwhile."""
        self.wanted = open_request(request)
        for host in self.hosts.values():
            host.wanted = self.wanted
        for text in tools:
            self.host(ToolSpec.parse(text)).warm()

    def tool(self, text: str) -> HostedTool:
        """A new object of the tool that `text` names."""
        spec = ToolSpec.parse(text)
        host = self.host(spec)
        return HostedTool(spec.label, host.ask, host.numbers)

    def host(self, spec: ToolSpec) -> ToolHost:
        """Where a tool lives."""
        if spec.text not in self.hosts:
            spec.check()
            starter = self._starter(self.pythons.get(spec.label, ""))
            self.hosts[spec.text] = ToolHost(ToolProcess(starter, spec.text, spec.label, self.timeout), self.wanted)
        return self.hosts[spec.text]

    def end(self) -> None:
        """End every tool's process; the next question starts a new one."""
        for host in self.hosts.values():
            host.process.close()
        self.hosts = {}

    def close(self) -> None:
        """End every process."""
        self.end()
        for starter in (self.starter, *self.starters.values()):
            starter.close()

    def _starter(self, python: str) -> Starter:
        if python and python not in self.starters:
            self.starters[python] = Programs(python)
        return self.starters[python] if python else self.starter


class LocalHosts:
    """The same in the judging process, on one loaded model."""

    def __init__(self, model: LoadedModel) -> None:
        self.model = model
        self.sessions: dict[str, tuple[Session, count[int]]] = {}

    def tool(self, text: str) -> HostedTool:
        """A new object of the tool that `text` names."""
        spec = ToolSpec.parse(text)
        spec.check()
        if text not in self.sessions:
            self.sessions[text] = (LocalSession(text, self.model), count())
        session, numbers = self.sessions[text]
        return HostedTool(spec.label, lambda request: value_of(session.answer(request)), numbers)
