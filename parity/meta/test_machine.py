"""A run needs enough memory, the libraries of its options, and a GPU for each worker."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from parity.meta.command_line import options
from parity.plugin.model_cache import gpu_name
from parity.plugin.request import machine
from parity.plugin.request.machine import check_machine, check_memory
from steering_core.errors import UsageProblem
from steering_core.models.registry import read_registry
from steering_core.places import FIXTURES

QWEN = read_registry(FIXTURES / "models.toml")["qwen7b"]


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Pretends that the machine has GPUs of these sizes, in bytes."""

    def pretend(*sizes: float) -> None:
        monkeypatch.setattr(machine, "has_cuda", lambda: bool(sizes))
        monkeypatch.setattr("torch.cuda.device_count", lambda: len(sizes))
        monkeypatch.setattr("torch.cuda.get_device_properties", lambda n: SimpleNamespace(total_memory=sizes[n]))

    return pretend


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"random_weights": True, "quantize": "int8"}, "--random-weights are built on one device and in one dtype"),
        ({"random_weights": True, "device_map": "auto", "gpu": True}, "--random-weights are built on one device"),
        ({"device_map": "auto"}, "--device-map spreads a model over GPUs"),
        ({"device_map": "auto", "gpu": True, "numprocesses": 2}, "workers would share them"),
    ],
)
def test_incompatible_options_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageProblem, match=message):
        check_machine([QWEN], options(**changed))


def test_a_missing_library_is_named_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "find_spec", lambda name: None)

    with pytest.raises(UsageProblem, match="--quantize nf4 needs bitsandbytes, which is not installed"):
        check_machine([], options(quantize="nf4"))
    check_machine([], options())


def test_weights_larger_than_memory_are_refused_with_both_sizes(gpus: Callable[..., None]) -> None:
    gpus(80e9)
    check_machine([QWEN], options(gpu=True))
    gpus(80e9, 14e9)
    with pytest.raises(UsageProblem, match=r"qwen7b: its weights take 15.2 GB in bfloat16, the GPU has 14.0 GB"):
        check_machine([QWEN], options(gpu=True))
    check_machine([QWEN], options(gpu=True, device_map="auto"))
    check_memory(QWEN, options(gpu=True, quantize="int8"), int(14e9))
    gpus(8e9, 7e9)
    with pytest.raises(UsageProblem, match=r"take 15.2 GB in bfloat16, the GPUs have 15.0 GB.*--quantize nf4"):
        check_machine([QWEN], options(gpu=True, device_map="auto"))
    with pytest.raises(UsageProblem, match=r"take 30.5 GB in float32, this machine has 20.0 GB"):
        check_memory(QWEN, options(dtype="float32"), int(20e9))


@pytest.mark.parametrize(
    ("worker", "count", "name"),
    [("", 4, "cuda:0"), ("gw0", 4, "cuda:0"), ("gw3", 4, "cuda:3"), ("gw4", 4, "cuda:0"), ("gw1", 1, "cuda:0")],
)
def test_each_worker_gets_its_own_gpu(monkeypatch: pytest.MonkeyPatch, worker: str, count: int, name: str) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    if worker:
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)

    assert gpu_name() == name
