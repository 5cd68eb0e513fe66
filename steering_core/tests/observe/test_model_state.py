"""What a model's state covers, including what later keeps hooks from running."""

import os
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from steering_core.models.model import LoadedModel
from steering_core.observe.aspects import STATE_ASPECTS
from steering_core.observe.model_state import fingerprints, process_baseline, process_changed, state_changes, state_of
from steering_core.tests.random_models import random_model

pytestmark = pytest.mark.usefixtures("one_thread")


def checkpoint(model: LoadedModel) -> None:
    model.blocks[0].gradient_checkpointing = True


def rotate(model: LoadedModel) -> None:
    model.module.config.rope_theta = 5.0


CHANGES: list[tuple[str, Callable[[LoadedModel], Any], str]] = [
    ("flags", lambda model: model.module.compile(backend="eager"), "compiled call of the model"),
    ("flags", checkpoint, "gradient checkpointing of model.layers.0"),
    ("flags", lambda model: model.module.train(), "training of"),
    ("config", rotate, "config"),
    ("forward", lambda model: setattr(model.blocks[0], "forward", lambda *args: args[0]), "first model.layers.0"),
    ("rng", lambda model: torch.rand(1), "advanced or reset"),
]


@pytest.mark.parametrize(("aspect", "change", "phrase"), CHANGES, ids=[phrase for *_, phrase in CHANGES])
def test_a_change_is_reported_under_its_aspect(aspect: str, change: Callable[[LoadedModel], Any], phrase: str) -> None:
    model = random_model("qwen2")
    before = state_of(model)
    change(model)
    changes = state_changes(before, state_of(model))
    assert list(changes) == [aspect]
    assert phrase in changes[aspect]


@pytest.mark.parametrize("name", ["the token ids", "the vector"])
def test_an_input_written_in_place_is_named(name: str) -> None:
    model, inputs = random_model("qwen2"), {"the token ids": torch.ones(2, 3), "the vector": torch.ones(4)}
    before = state_of(model, inputs)
    inputs[name].mul_(1)
    assert state_changes(before, state_of(model, inputs)) == {"inputs": f"changed in 1 place, first {name}"}


@pytest.mark.parametrize(("start", "stop"), [(0, 8), (0, 9), (8, 16), (9, 17)])
def test_a_write_that_torch_does_not_count_is_seen_at_any_size_and_offset(start: int, stop: int) -> None:
    """Bytes [start, stop) of a buffer, whether or not they are whole words; written through numpy."""
    model, ids = random_model("qwen2"), torch.zeros(32, dtype=torch.uint8)[start:stop]
    before = state_of(model, {"ids": ids})
    assert state_changes(before, state_of(model, {"ids": ids})) == {}
    ids.numpy()[-1] = 1
    assert state_changes(before, state_of(model, {"ids": ids})) == {"inputs": "changed in 1 place, first ids"}


def test_an_untouched_model_has_not_changed() -> None:
    model = random_model("qwen2")
    before = state_of(model)
    assert state_changes(before, state_of(model)) == {}
    assert set(before) == set(STATE_ASPECTS)


class Waits(TorchDispatchMode):
    """Counts the values that leave their device one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **kwargs or {})


def test_the_sums_of_all_tensors_leave_the_device_at_once() -> None:
    """A GPU that many processes share would be waited for once for each tensor."""
    tensors = {str(number): torch.full((3, 8), float(number)) for number in range(20)}
    with Waits() as waits:
        found = fingerprints(tensors)
    assert waits.count == 0
    # 1.0 is 0x3F800000: twelve words of two of them, modulo 2**64.
    assert [found[name][2] for name in "01"] == [0, 12 * 0x3F8000003F800000 - 2**64 * 3]


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        (torch.nn.functional, "dropout", lambda *_: None),
        (torch.nn.Parameter, "__new__", torch.nn.Parameter.__new__),
        (torch.backends.cudnn, "benchmark", not torch.backends.cudnn.benchmark),
        (os, "environ", {**os.environ, "STEERED": "1"}),
    ],
)
def test_a_process_that_is_not_as_it_was_has_changed_until_it_is_put_back(owner: Any, name: str, value: Any) -> None:
    model = random_model("qwen2")
    before = process_baseline(model)
    assert not process_changed(model, before)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, value)
        assert process_changed(model, before)
    assert not process_changed(model, before)


def test_gradients_that_are_off_are_a_change_of_the_process_and_another_tokenizer_is_none() -> None:
    model = random_model("qwen2")
    before = process_baseline(model)

    model.tokenizer.pad_token = "w5"

    assert not process_changed(model, before)
    with torch.no_grad():
        assert process_changed(model, before)
