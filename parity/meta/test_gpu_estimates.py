"""How much of a GPU a model takes beside others, and when a worker gives it back."""

from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from parity.plugin import model_cache, tool_processes
from parity.plugin.gpu_share import GIB, estimate
from parity.plugin.model_cache import ModelCache
from parity.plugin.tool_processes import ToolProcesses
from steering_core.models.model import LoadRequest
from steering_core.models.registry import read_registry
from steering_core.places import REGISTRY


def test_the_estimate_counts_what_processes_keep_unused_and_activations_of_the_models_size() -> None:
    """On an H200: three tools' processes and the worker's own keep 0.27 GiB each."""
    small, large = estimate(0, 140 * GIB, 4), estimate(50 * GIB, 140 * GIB, 4)

    assert small / GIB == pytest.approx(2 + 4 * (0.75 + 140 / 512))
    assert (large - small) / GIB == pytest.approx(52)


@pytest.mark.parametrize(
    ("starters", "each", "processes"),
    [((None, None), 1, 0), (("one", None), None, 2), (("one", "another"), 1, 4), (("one", "another"), 3, 11)],
    ids=["in the worker itself", "of each tool", "fresh ones of the last repeat", "several, and of the reference"],
)
def test_every_process_that_uses_a_model_counts(starters: tuple[Any, Any], each: int | None, processes: int) -> None:
    of_run: Any = object.__new__(ToolProcesses)
    of_run.matrix = SimpleNamespace(tools=("hooks", "nnsight"), processes=each)
    of_run.starter, of_run.anew = starters

    assert of_run.count(SimpleNamespace(device="cpu")) == processes


@pytest.mark.parametrize(
    ("gigabytes", "processes"), [(139.8, 3), (79.1, 3), (44.5, 2), (23.6, 1)], ids=["H200", "A100", "L40S", "RTX 4090"]
)
def test_a_tool_has_as_many_processes_as_have_room_beside_a_7b_model(
    monkeypatch: pytest.MonkeyPatch, gigabytes: float, processes: int
) -> None:
    """Three tools, and the fresh processes of the last repeat."""
    properties = SimpleNamespace(total_memory=int(gigabytes * GIB))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    monkeypatch.setattr(tool_processes, "default_processes", lambda request: 3)
    of_run: Any = object.__new__(ToolProcesses)
    of_run.matrix = SimpleNamespace(tools=("hooks", "nnsight", "pyvene"), processes=None)
    of_run.starter = of_run.anew = "a starter"
    request = LoadRequest(read_registry(REGISTRY)["qwen7b"], "nowhere", "bfloat16", device="cuda:0")

    assert of_run.count(request) == 3 * processes + (processes if processes > 1 else 0) + 3


def test_a_worker_that_is_done_gives_memory_back_before_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """It lives until the last worker is done, and what it keeps unused would be missing to that one."""
    order, cache = list[Any](), object.__new__(ModelCache)
    given: Any = SimpleNamespace(kill=None, stop=lambda kill: None, close=lambda: order.append("processes"))
    cache.ahead = cache.processes = given
    cache.config, cache.held = SimpleNamespace(getoption=lambda name: name == "gpu"), ExitStack()  # type: ignore[assignment]
    cache.held.callback(order.append, "share")
    cache.loaded = ValueError("a model")
    monkeypatch.setattr(model_cache, "free_memory", lambda: order.append(("memory", cache.loaded)))

    cache.close()

    assert order == ["processes", ("memory", None), "share"]
