"""Several processes of one tool: alike, never told two things at once, and ended when nobody waits for them."""

import sys
from collections.abc import Iterator
from functools import partial
from threading import Event
from typing import Any

import pytest

from parity.meta.test_tool_hosts import FILE, REQUEST, SITE, SPEC, batch, model, server, wait_for
from steering_core.hosts.pool import Hosts
from steering_core.hosts.process import ToolProcess
from steering_core.hosts.starting import Starter
from steering_core.hosts.tool_host import ToolHost
from steering_core.hosts.turn import Turn
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch

__all__ = ["batch", "model", "server"]  # fixtures


@pytest.fixture
def several(server: Starter) -> Iterator[Hosts]:
    """Three processes of each tool."""
    running = Hosts(server, timeout=60, turn=Turn(), processes=3)
    running.open(REQUEST)
    yield running
    running.end()


def test_a_tool_answers_the_same_in_each_of_its_processes(
    several: Hosts, model: LoadedModel, batch: TokenBatch
) -> None:
    tool = several.tool("hooks")
    several.begin_further(["hooks"])
    everywhere = [tool, *several.beside(tool), several.in_process("hooks", 2)]

    answers = several.at_once([partial(each.generate, model, batch, [], 4) for each in everywhere])

    assert len({host.process.started.pid for host in several.every if host.process.started}) == 3 < len(answers)
    assert all(answer.equal(answers[0]) for answer in answers)
    several.release()
    assert not any(host.opened for host in several.every)


def test_a_further_process_that_is_being_asked_is_not_told_to_begin(several: Hosts, monkeypatch: Any) -> None:
    """The answers to what it would be told were taken for those to what it is asked."""
    several.tool("hooks")
    told, asking, over = list[str](), Event(), Event()
    ask = ToolProcess.ask

    def slowly(process: ToolProcess, request: Any) -> Any:
        asking.set()
        over.wait(60)
        return ask(process, request)

    further = several.beside(several.tool("hooks"))
    monkeypatch.setattr(ToolProcess, "ask", slowly)
    monkeypatch.setattr(ToolHost, "begin", lambda host, **options: told.append("begin"))
    assert several.turn
    answer = several.turn.begin(lambda: further[0].supports(SPEC, SITE, "read"))
    with several.turn.waiting():
        assert asking.wait(60)

    several.begin_further(["hooks"])
    over.set()

    with several.turn.waiting():
        assert answer.result(60) is None
    assert told == []


def test_a_tool_with_its_own_interpreter_has_one_process(server: Starter, model: LoadedModel) -> None:
    """Each of them would load the model anew."""
    hosts = Hosts(server, timeout=60, turn=Turn(), processes=3, pythons={"hooks": sys.executable})
    hosts.open(REQUEST, model)

    assert hosts.beside(hosts.tool("hooks")) == []
    hosts.end()


def test_processes_that_are_ended_at_work_are_an_error_and_started_anew(
    several: Hosts, model: LoadedModel, batch: TokenBatch
) -> None:
    """Answers for which nobody waits any more; another tool goes on."""
    spec = f"{FILE}:Hangs"
    hanging, other = several.tool(spec), several.tool("hooks")
    assert hanging.supports(SPEC, SITE, "read") is other.supports(SPEC, SITE, "read") is None
    first = [host.process.started for host in several.every]
    assert several.turn
    reading = several.turn.begin(partial(hanging.read, model, batch, [SITE]))
    with several.turn.waiting():
        wait_for(lambda: several.hosts[spec].process.asked == 1)
        several.interrupt(spec)
        assert "was ended by SIGKILL when asked to read" in str(reading.exception(60))

    assert other.read(model, batch, [SITE])
    assert hanging.supports(SPEC, Site("resid_post", 3), "read") is None
    assert [host.process.started is before for host, before in zip(several.every, first, strict=True)] == [False, True]
