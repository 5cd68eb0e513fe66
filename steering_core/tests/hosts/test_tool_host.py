"""What a tool's process is told before it is asked anything."""

import weakref
from dataclasses import replace
from typing import Any, cast

import pytest

from steering_core.hosts import tool_host
from steering_core.hosts.tool_host import Opening, ToolHost
from steering_core.models.model import LoadRequest
from steering_core.tests.random_models import random_spec

REQUEST = LoadRequest(random_spec("llama"), "nowhere", "float32")


class Process:
    """A process that only notes what it is sent, and answers everything with None."""

    def __init__(self, supported: Any = None) -> None:
        """supported: the answer about all sites and actions."""
        self.started: object | None = None
        self.sent: list[str] = []
        self.supported = supported or {"value": {}}

    def send(self, message: dict[str, Any]) -> None:
        self.started = self
        self.sent.append(message["do"])

    def receive(self) -> dict[str, Any]:
        return {"value": {"class": "Some:Tool"}}

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        self.send(message)
        return self.supported if message["do"] == "supported" else {"value": None}


@pytest.mark.parametrize(
    ("device", "opening", "told"),
    [
        ("cuda:1", False, ["describe", "warm_up"]),
        ("cuda:1", True, ["describe", "open"]),
        ("cpu", False, ["describe"]),
        ("cpu", True, ["describe", "open"]),
    ],
)
def test_a_gpu_is_made_ready_while_the_model_is_loaded(device: str, opening: bool, told: list[str]) -> None:
    process: Any = Process()
    host = ToolHost(process, Opening(replace(REQUEST, device=device)))

    host.begin(opening=opening)
    assert process.sent == told

    assert host.ask({"do": "describe"}) == {"class": "Some:Tool"}
    host.ask({"do": "something"})
    opened = [] if opening else ["open"]
    assert process.sent == [*told, *opened, "something"], "warm is not opened"


def test_all_sites_and_actions_are_asked_about_at_once() -> None:
    """A model of 28 blocks has more than a thousand of them; those without an answer are asked for by themselves."""
    reasons = {("k@0", "read"): {"value": "no keys"}, ("v@0", "read"): {"raised": "KeyError", "message": "v"}}
    process: Any = Process({"value": {("q@0", "read"): {"value": None}} | reasons})
    host = ToolHost(process, Opening(REQUEST))

    answers = [host.ask({"do": "supports", "site": site, "action": "read"}) for site in ("k@0", "q@0", "k@0", "v@0")]
    assert answers == ["no keys", None, "no keys", None]
    assert process.sent == ["open", "supported", "supports"]


def test_a_tool_that_cannot_be_asked_about_all_sites_is_asked_about_each() -> None:
    process: Any = Process({"raised": "MemoryError", "message": "", "trace": ""})
    host = ToolHost(process, Opening(REQUEST))

    for site in ("k@0", "v@0", "k@0"):
        assert host.ask({"do": "supports", "site": site, "action": "read"}) is None
    assert process.sent == ["open", "supported", "supports", "supports"]


def test_a_released_model_is_held_by_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a tool said of its sites is kept per model; on a GPU the weights would be kept with it."""
    monkeypatch.setattr(tool_host, "share", lambda model: None)
    process: Any = Process()
    process.asked = False
    host, model = ToolHost(process, None), Model()
    still_there = weakref.ref(model)
    host.wanted = Opening(REQUEST, cast("Any", model))
    supports = {"do": "supports", "site": "resid_post@0", "action": "read"}

    assert host.ask(supports) is host.ask(supports) is None
    assert process.sent == ["open", "supported", "supports"], "asked once per model"
    host.release()
    del model

    assert still_there() is None


class Model:
    """Stands for loaded weights."""
