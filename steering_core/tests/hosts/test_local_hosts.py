"""Without processes of their own, tools are asked what does not change as often as in one: once."""

from collections.abc import Mapping
from typing import Any

import pytest

from steering_core.hosts import local_hosts
from steering_core.hosts.local_hosts import LocalHosts
from steering_core.models.sites import Site

MODEL: Any = None


class CountingSession:
    """Answers every question with the number of those before it."""

    def __init__(self, text: str, model: Any, *, alone: bool) -> None:
        self.asked: list[Mapping[str, Any]] = []

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(request)
        described = {"offers": {}, "methods": ["read", "generate"]}
        return {"value": described if request["do"] == "describe" else str(len(self.asked))}


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> LocalHosts:
    monkeypatch.setattr(local_hosts, "LocalSession", CountingSession)
    return LocalHosts(MODEL)


def test_a_tool_is_described_once_and_asked_once_about_each_site_and_action(hosts: LocalHosts) -> None:
    first, second = hosts.tool("hooks"), hosts.tool("hooks")
    answers = [
        tool.supports(MODEL, Site("resid_post", block), action)
        for tool in (first, second)
        for block in (1, 2)
        for action in ("read", "add")
    ]

    assert answers == ["2", "3", "4", "5"] * 2


def test_every_other_request_is_answered_anew_and_so_is_one_on_another_model(hosts: LocalHosts) -> None:
    tool, site = hosts.tool("hooks"), Site("resid_post", 1)
    assert [tool.ask({"do": "perform"}) for _ in range(2)] == ["2", "3"]
    before = tool.supports(MODEL, site, "read")
    with hosts.opened(MODEL, MODEL):
        other = tool.supports(MODEL, site, "read")

    assert (before, other) == ("4", "2")
    assert tool.supports(MODEL, site, "read") == before
