"""Without processes of their own, tools that leave, skip, exit or fork are still the only ones that this costs."""

import os
import posix
from pathlib import Path

import pytest

from fixtures.faults.registry import HERE
from parity.meta.test_tool_hosts import REQUEST
from parity.plugin.request.tool_trial import try_tools
from steering_core.errors import RaisedByTool, SuiteError, UsageProblem
from steering_core.hosts.local_hosts import LocalHosts
from steering_core.hosts.session import exits_raised
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch, encode
from steering_core.records.draft import Draft

FILE = HERE / "processes.py"
SITE = Site("resid_post", 1)
RAISES = {
    "Exits": r"SystemExit: os\._exit\(0\)",
    "Leaves": "SystemExit: 3",
    "Skips": "Skipped: nothing to see",
    "Unprintable": "Mute: .*cannot be read",
}


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return REQUEST.load()


@pytest.fixture
def hosts(model: LoadedModel) -> LocalHosts:
    return LocalHosts(model)


@pytest.fixture(scope="module")
def batch(model: LoadedModel) -> TokenBatch:
    return encode(model.tokenizer, ["hello there"])


@pytest.mark.parametrize("name", RAISES)
def test_what_a_tool_does_is_an_error_of_that_tool(
    hosts: LocalHosts, model: LoadedModel, batch: TokenBatch, name: str
) -> None:
    leave = os._exit
    with pytest.raises(RaisedByTool, match=RAISES[name]):
        hosts.tool(f"{FILE}:{name}").read(model, batch, [SITE])
    assert os._exit is leave


def test_a_tool_that_certifies_itself_is_named_and_what_it_replaced_is_put_back(
    hosts: LocalHosts, model: LoadedModel, batch: TokenBatch
) -> None:
    differ = Draft.differ
    for _ in range(2):
        with pytest.raises(SuiteError, match=r"tool Certified replaced steering_core.records.draft.Draft.differ,"):
            hosts.tool(f"{FILE}:Certified").read(model, batch, [SITE])
        assert Draft.differ is differ

    assert hosts.tool("hooks").read(model, batch, [SITE])


def test_a_copy_of_the_process_that_a_tool_forked_ends(
    hosts: LocalHosts, model: LoadedModel, batch: TokenBatch
) -> None:
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        hosts.tool(f"{FILE}:Forks").read(model, batch, [SITE])
        os.write(writing, b"answer ")
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)

    with open(reading, "rb") as answers:
        assert answers.read() == b"answer "


def test_a_tool_whose_import_replaces_functions_of_the_suite_is_refused(tmp_path: Path) -> None:
    patch = "from steering_core.records.draft import Draft\nDraft.differ = Draft.agree\n"
    (tmp_path / "mine.py").write_text(
        f"{patch}from steering_core.tools.adapters.hooks import Hooks as Mine\n", encoding="utf-8"
    )
    differ = Draft.differ

    with pytest.raises(UsageProblem, match=r"tool Mine replaced steering_core.records.draft.Draft.differ, which"):
        try_tools(["hooks", f"{tmp_path / 'mine.py'}:Mine"], {}, 5.0, in_process=True)
    assert Draft.differ is differ


def test_leaving_by_the_name_below_os_is_seen_too() -> None:
    if (child := os.fork()) == 0:
        try:
            with exits_raised():
                posix._exit(0)
        except SystemExit:
            os._exit(5)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
