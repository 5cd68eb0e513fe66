"""The process of one tool, as the pool sees it: it opens the model before it is asked about it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from steering_core.errors import RaisedByTool, SuiteError
from steering_core.hosts.hosted_tool import value_of
from steering_core.hosts.process import ToolProcess
from steering_core.hosts.weights import share
from steering_core.models.model import LoadedModel, LoadRequest

Asked = Mapping[str, Any]
Waiting = Callable[[], AbstractContextManager[Any]]


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

    def ask(self, request: Asked) -> Any:
        """The value of the answer; what went wrong in the process is raised here."""
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
        answer = self._answer(request)
        self.peak = max(self.peak, answer.get("peak", 0))
        return value_of(answer)

    def _answer(self, request: Asked) -> dict[str, Any]:
        with self.waiting():
            return self.process.ask(request)

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
