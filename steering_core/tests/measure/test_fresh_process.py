"""The repeat in a fresh process: the same directions under the same keys, and its error messages."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from steering_core.errors import EmptyMeasurement, SuiteError
from steering_core.measure.experiment import Experiment
from steering_core.measure.fresh_process import FreshProcess, FreshRequest
from steering_core.measure.store import Store
from steering_core.models.model import LoadedModel
from steering_core.prompts import PromptSet, read_prompts
from steering_core.tests.chat_checkpoint import SETTINGS, request_of
from steering_core.tests.random_models import random_spec
from steering_core.tools.spec import find_tool

pytestmark = pytest.mark.usefixtures("one_thread")
PROMPTS = '{"extraction": {"harmful": ["w10 w11", "w12"], "harmless": ["w20", "w21 w22"]}, "evaluation": ["w30"]}'
OWN = """
from steering_core.tools.adapters.hooks import Hooks
class Mine(Hooks):
    name = "own"
class Broken(Hooks):
    name = "broken"
    def read(self, model, batch, sites):
        raise RuntimeError("on purpose")
"""


@pytest.fixture
def prompts(tmp_path: Path) -> PromptSet:
    (tmp_path / "prompts.json").write_text(PROMPTS)
    (tmp_path / "own.py").write_text(OWN)
    return read_prompts(tmp_path / "prompts.json")


def request_in(folder: Path, checkpoint: Path, tools: tuple[str, ...]) -> FreshRequest:
    load = request_of(checkpoint, random_spec("llama"))
    return FreshRequest(load, SETTINGS, str(folder / "prompts.json"), str(folder / "store"), tools, 4)


@contextmanager
def started(request: FreshRequest) -> Iterator[FreshProcess]:
    process = FreshProcess(request)
    try:
        yield process
    finally:
        process.stop()


def test_leaves_the_same_directions_where_they_are_looked_for(
    loaded: LoadedModel, checkpoint: Path, prompts: PromptSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tools are named relative to the directory that the suite was started in, which need not be its own."""
    monkeypatch.chdir(tmp_path)
    weights = request_of(checkpoint, random_spec("llama")).digest()
    with started(request_in(tmp_path, checkpoint, ("hooks", "own.py:Mine", "own.py:Broken"))) as fresh:
        experiment = Experiment(loaded, SETTINGS, prompts, Store(tmp_path / "store"), weights, fresh=fresh)

        fresh_ones = [experiment.direction(find_tool(name), 4) for name in ("hooks", "own.py:Mine")]
        local_ones = [experiment.direction(find_tool(name), 0) for name in ("hooks", "own.py:Mine")]

        assert [torch.equal(*pair) for pair in zip(fresh_ones, local_ones, strict=True)] == [True, True]
        with pytest.raises(EmptyMeasurement, match="left no direction of Broken: Broken: RuntimeError: on purpose"):
            experiment.direction(find_tool("own.py:Broken"), 4)
        assert fresh.message_about("never") == "no message"


def test_a_process_that_fails_is_an_error_with_its_last_line(checkpoint: Path, tmp_path: Path) -> None:
    """Code that changed meanwhile would store directions under other keys: it refuses, and says why."""
    request = replace(request_in(tmp_path, checkpoint, ("hooks",)), source="another")

    with started(request) as fresh, pytest.raises(SuiteError, match="fresh process failed.*changed during the run"):
        fresh.wait()


def test_stop_ends_a_running_process(checkpoint: Path, tmp_path: Path) -> None:
    fresh = FreshProcess(request_in(tmp_path, checkpoint, ("hooks",)))

    fresh.stop()

    assert fresh.process.poll() == -signal.SIGKILL
    assert fresh.log.closed
