"""A tool that damages or ends its process is named, and nothing else is touched."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.faults.registry import HERE
from parity.meta.forked_runs import ROOT
from steering_core.errors import RaisedByTool, SuiteError
from steering_core.hosts.pool import Hosts
from steering_core.hosts.starting import Programs, Starter, default_starter
from steering_core.models.model import LoadedModel, LoadRequest
from steering_core.models.registry import read_registry
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch, encode
from steering_core.places import REGISTRY

FILE = HERE / "processes.py"
SITE = Site("resid_post", 2)
SPEC = read_registry(REGISTRY)["tiny_qwen2"]
REQUEST = LoadRequest(SPEC, str(ROOT / SPEC.source), SPEC.dtype)
READ = {"do": "perform", "operation": "read", "number": 0, "first": 0, "feeding": {}}
READ["arguments"] = {"batch": None, "sites": []}


@pytest.fixture(scope="module")
def server() -> Iterator[Starter]:
    started = default_starter(["qwen2"])
    yield started
    started.close()


@pytest.fixture
def hosts(server: Starter) -> Iterator[Hosts]:
    running = Hosts(server, timeout=60)
    running.open(REQUEST)
    yield running
    running.end()


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return REQUEST.load()


@pytest.fixture(scope="module")
def batch(model: LoadedModel) -> TokenBatch:
    return encode(model.tokenizer, ["hello there", "how are you doing today"])


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


ENDS = {
    "Exits": "ended with exit status 0 when asked to read; it last printed: about to exit",
    "Crashes": "was ended by SIGSEGV when asked to read",
    "ClosesEverything": "when asked to read",
    "WritesEverywhere": "sent an invalid answer",
}


@pytest.mark.parametrize("name", ENDS)
def test_a_process_that_ends_is_named_with_what_it_printed(
    hosts: Hosts, model: LoadedModel, batch: TokenBatch, name: str
) -> None:
    other, expected = hosts.tool("hooks"), hosts.tool("hooks").read(model, batch, [SITE])[SITE]
    with pytest.raises(SuiteError, match=f"the process of {name} .*{ENDS[name]}"):
        hosts.tool(f"{FILE}:{name}").read(model, batch, [SITE])

    assert other.read(model, batch, [SITE])[SITE].equal(expected), "another tool's process goes on"
    ids = hosts.tool(f"{FILE}:{name}").generate(model, batch, [], 2)
    assert len(ids) == len(batch.ids), "what the tool can do is still measured, in a new process"


def test_a_tool_that_hangs_is_ended_after_its_time(server: Starter, model: LoadedModel, batch: TokenBatch) -> None:
    hosts = Hosts(server, timeout=60)
    hosts.open(REQUEST)
    hosts.tool(f"{FILE}:Hangs").supports(SPEC, SITE, "read")  # the model is open
    process = next(iter(hosts.hosts.values())).process
    process.timeout, started = 1, process.started
    with pytest.raises(SuiteError, match="the process of Hangs gave no answer within 1 s"):
        hosts.tool(f"{FILE}:Hangs").read(model, batch, [SITE])

    assert started
    assert not alive(started.pid)


RAISES = {"Leaves": "SystemExit: 3", "Skips": "Skipped: nothing to see", "Unprintable": "Mute: .*cannot be read"}


@pytest.mark.parametrize("name", RAISES)
def test_what_a_tool_raises_is_an_error_of_that_tool(
    hosts: Hosts, model: LoadedModel, batch: TokenBatch, name: str
) -> None:
    with pytest.raises(RaisedByTool, match=RAISES[name]):
        hosts.tool(f"{FILE}:{name}").read(model, batch, [SITE])


def test_an_answer_that_is_no_reason_is_an_error_and_not_a_tool_that_offers_nothing(hosts: Hosts) -> None:
    with pytest.raises(SuiteError, match="supports.. of AnswersFalse returned 'False' for read"):
        hosts.tool(f"{FILE}:AnswersFalse").supports(SPEC, SITE, "read")


@pytest.mark.parametrize("name", ["Floods", "ClosesStreams", "Forks", "Warns"])
def test_a_noisy_tool_is_measured_all_the_same(hosts: Hosts, model: LoadedModel, batch: TokenBatch, name: str) -> None:
    tool, expected = hosts.tool(f"{FILE}:{name}"), hosts.tool("hooks").read(model, batch, [SITE])[SITE]

    for _ in range(2):
        assert tool.read(model, batch, [SITE])[SITE].equal(expected)


@pytest.mark.parametrize("name", ["AutocastLeft", "TemplateChanged", "Certified"])
def test_the_damage_stays_with_the_tool(hosts: Hosts, model: LoadedModel, batch: TokenBatch, name: str) -> None:
    from steering_core.models.tokens import chat_ids
    from steering_core.records.draft import Draft

    before = hosts.tool("hooks").read(model, batch, [SITE])[SITE]
    template, differ = chat_ids(model.tokenizer, "hello"), Draft.differ
    hosts.tool(f"{FILE}:{name}").read(model, batch, [SITE])

    assert hosts.tool("hooks").read(model, batch, [SITE])[SITE].equal(before)
    assert chat_ids(model.tokenizer, "hello") == template
    assert Draft.differ is differ


def test_a_tool_that_replaces_functions_of_the_suite_is_named_and_gets_no_other_answer(
    hosts: Hosts, model: LoadedModel, batch: TokenBatch
) -> None:
    for site in (SITE, Site("resid_post", 1)):
        with pytest.raises(
            SuiteError, match=r"tool Unchecked replaced steering_core.hosts.checked_tool.CheckedTool.read,"
        ):
            hosts.tool(f"{FILE}:Unchecked").read(model, batch, [site])

    assert hosts.tool("hooks").read(model, batch, [SITE])


def test_a_class_is_imported_once_and_its_state_lives_on(hosts: Hosts, model: LoadedModel, batch: TokenBatch) -> None:
    other = TokenBatch(batch.ids.flip(0), batch.mask.flip(0), batch.last.flip(0), batch.side)
    text = f"{FILE}:RemembersInTheClass"
    first = hosts.tool(text).read(model, batch, [SITE])[SITE]

    assert hosts.tool(text).read(model, other, [SITE])[SITE].equal(first), "wrong, as in a user's process"
    hosts.end()
    assert not hosts.tool(text).read(model, other, [SITE])[SITE].equal(first), "a new process has none of it"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("hooks", True),
        (f"{HERE / 'process_effects.py'}:TorchFunctionPatched", False),
        (f"{HERE / 'process_effects.py'}:GradModeOff", False),
        (f"{HERE / 'process_effects.py'}:ThreadCountChanged", False),
        (f"{HERE / 'process_effects.py'}:WarningsSilenced", False),
    ],
)
def test_a_process_that_a_tool_left_changed_opens_no_other_model(
    hosts: Hosts, batch: TokenBatch, text: str, kept: bool
) -> None:
    """What a tool does once per process would be seen on the first model of a run alone."""
    tool = hosts.tool(text)
    tool.read(REQUEST.load(), batch, [SITE])
    (host,) = hosts.hosts.values()

    hosts.release()

    assert (host.process.started is not None) == kept
    hosts.open(REQUEST)
    assert tool.read(REQUEST.load(), batch, [SITE]), "a new process is started when it is needed"


def test_a_tool_that_hangs_does_not_hold_up_the_end_of_a_run(server: Starter) -> None:
    hosts = Hosts(server, timeout=3600)
    hosts.open(REQUEST)
    hosts.tool(f"{FILE}:Hangs").supports(SPEC, SITE, "read")
    process = next(iter(hosts.hosts.values())).process
    process.send(READ)
    hosts.release()
    hosts.end()

    assert process.started is None


def test_no_process_starts_once_those_of_a_run_were_ended(hosts: Hosts, model: LoadedModel, batch: TokenBatch) -> None:
    """Ctrl-C: a thread that is told so would ask a new process, and the run would wait for that one."""
    tool = hosts.tool("hooks")
    assert tool.supports(SPEC, SITE, "read") is None

    hosts.kill()

    for reason in ("was ended by SIGKILL", "was ended with the run"):
        with pytest.raises(SuiteError, match=reason):
            tool.read(model, batch, [SITE])


@pytest.mark.parametrize("starter", ["fork server", "program"])
def test_nothing_is_left_when_the_run_is_over(
    model: LoadedModel, batch: TokenBatch, starter: str, server: Starter
) -> None:
    hosts = Hosts(default_starter() if starter == "fork server" else Programs())
    hosts.open(REQUEST)
    expected = model.module  # keep the model alive beside the processes
    hosts.tool("hooks").read(model, batch, [SITE])
    started = [host.process.started for host in hosts.hosts.values()]
    hosts.close()

    assert expected is model.module
    assert [process.pid for process in started if process and alive(process.pid)] == []


def test_processes_end_when_the_judging_process_is_killed(tmp_path: Path) -> None:
    script = f"""
import sys, time
from parity.meta.test_tool_hosts import FILE, READ, REQUEST, SITE
from steering_core.hosts.pool import Hosts
from steering_core.hosts.starting import default_starter
server = default_starter()
hosts = Hosts(server)
hosts.open(REQUEST)
hosts.tool({str(FILE)!r} + ":Hangs").supports(REQUEST.spec, SITE, "read")
process = hosts.hosts[str(FILE) + ":Hangs"].process
process.send(READ)
print(server.owned.process.pid, process.started.pid, flush=True)
time.sleep(600)
"""
    judge = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert judge.stdout
    pids = [int(text) for text in judge.stdout.readline().split()]
    judge.kill()
    judge.communicate()

    wait_for(lambda: not any(map(alive, pids)))
    assert [pid for pid in pids if alive(pid)] == []
