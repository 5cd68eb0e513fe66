"""cuDNN's attention goes last on a GPU, and records say so."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from steering_core.hosts.variables import environment
from steering_core.measure import keys
from steering_core.models.attention_kernels import CUDNN_LAST, order_of_kernels, prefer_others


@pytest.mark.parametrize(
    ("given", "order"), [(None, "cuDNN last"), ("1", "cuDNN last"), ("0", "PyTorch's own"), ("", "PyTorch's own")]
)
def test_the_order_is_changed_unless_the_variable_was_set(
    monkeypatch: pytest.MonkeyPatch, given: str | None, order: str
) -> None:
    monkeypatch.delenv(CUDNN_LAST, raising=False)
    assert order_of_kernels() == "PyTorch's own"
    if given is not None:
        monkeypatch.setenv(CUDNN_LAST, given)

    prefer_others()

    assert order_of_kernels() == order
    assert environment()[CUDNN_LAST] == (given if given is not None else "1"), "tools' processes do the same"


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_is_measured_on_a_gpu_depends_on_it(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    config = SimpleNamespace(_attn_implementation="sdpa")
    model: Any = SimpleNamespace(
        spec=SimpleNamespace(key="m"),
        dtype=torch.bfloat16,
        quantize="",
        exact=False,
        device=torch.device(device),
        module=SimpleNamespace(config=config),
    )
    monkeypatch.setenv(CUDNN_LAST, "1")
    key = keys.model_key(model, "w")
    monkeypatch.setenv(CUDNN_LAST, "0")

    assert (keys.model_key(model, "w") == key) is (device == "cpu")
    assert key.get("attention_kernels") == ("cuDNN last" if device == "cuda" else None)
