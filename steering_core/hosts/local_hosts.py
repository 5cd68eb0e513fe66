"""All tools of a run without processes of their own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from steering_core.hosts.beside import Alone
from steering_core.hosts.hosted_tool import HostedTool, value_of
from steering_core.hosts.session import LocalSession, Session
from steering_core.models.model import LoadedModel, LoadRequest
from steering_core.tools.spec import ToolSpec

ASKED_ONCE = {"describe", "supports"}
"""What a tool is asked once in each session, as where it has a process of its own."""


class LocalHosts(Alone):
    """The tools of a run in the judging process, on one loaded model. alone: they are of no concern to each other."""

    peak = 0
    """The tools' memory is this process's own."""

    def __init__(self, model: LoadedModel, *, alone: bool = False) -> None:
        self.model, self.alone = model, alone
        self.sessions: dict[str, tuple[Session, count[int]]] = {}
        self.other: LocalHosts | None = None
        self.known: WeakKeyDictionary[Session, dict[Any, Any]] = WeakKeyDictionary()

    def tool(self, text: str) -> HostedTool:
        """A new object of the tool that `text` names."""
        spec = ToolSpec.parse(text)
        spec.check()
        if text not in self.sessions:
            self.sessions[text] = (LocalSession(text, self.model, alone=self.alone), count())
        session, numbers = self.sessions[text]

        def ask(request: Mapping[str, Any]) -> Any:
            return self._ask(self._session(text, session), request)

        return HostedTool(spec.label, ask, numbers)

    @contextmanager
    def opened(self, request: LoadRequest, model: LoadedModel) -> Iterator[None]:
        """Meanwhile tools are asked about another loaded model."""
        before = self.other
        self.other = LocalHosts(model, alone=self.alone)
        try:
            yield
        finally:
            self.other = before

    def _ask(self, session: Session, request: Mapping[str, Any]) -> Any:
        """The value of the session's answer, or of an earlier one to the same question."""
        if request["do"] not in ASKED_ONCE:
            return value_of(session.answer(request))
        known, question = self.known.setdefault(session, {}), (*request.values(),)
        if question not in known:
            known[question] = value_of(session.answer(request))
        return known[question]

    def _session(self, text: str, session: Session) -> Session:
        """The session that answers: the tool's own, or the one on the other model."""
        if self.other is None:
            return session
        self.other.tool(text)
        return self.other.sessions[text][0]
