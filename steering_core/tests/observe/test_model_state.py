"""What is looked at before and after a tool had a model: the things that later make hooks silent among them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from steering_core.models.model import LoadedModel
from steering_core.observe.model_state import ASPECTS, changed, state_of
from steering_core.tests.random_models import random_model

pytestmark = pytest.mark.usefixtures("one_thread")


def checkpoint(model: LoadedModel) -> None:
    model.blocks[0].gradient_checkpointing = True


def rotate(model: LoadedModel) -> None:
    model.module.config.rope_theta = 5.0


LEFT: list[tuple[str, Callable[[LoadedModel], Any], str]] = [
    ("flags", lambda model: model.module.compile(backend="eager"), "compiled call of the model"),
    ("flags", checkpoint, "gradient checkpointing of model.layers.0"),
    ("flags", lambda model: model.module.train(), "training of"),
    ("config", rotate, "config"),
    ("rng", lambda model: torch.rand(1), "advanced or reset"),
]


@pytest.mark.parametrize(("aspect", "leave", "words"), LEFT, ids=[words for *_, words in LEFT])
def test_what_is_left_is_named(aspect: str, leave: Callable[[LoadedModel], Any], words: str) -> None:
    model = random_model("qwen2")
    before = state_of(model)
    leave(model)
    found = changed(before, state_of(model))
    assert list(found) == [aspect]
    assert words in found[aspect]


@pytest.mark.parametrize("name", ["the token ids", "the vector"])
def test_a_tensor_that_was_handed_over_and_written_to_is_named(name: str) -> None:
    model, given = random_model("qwen2"), {"the token ids": torch.ones(2, 3), "the vector": torch.ones(4)}
    before = state_of(model, given)
    given[name].mul_(1)
    assert changed(before, state_of(model, given)) == {"inputs": f"changed on 1 places, first {name}"}


def test_a_model_that_was_not_touched_is_as_it_was() -> None:
    model = random_model("qwen2")
    before = state_of(model)
    assert changed(before, state_of(model)) == {}
    assert set(before) == set(ASPECTS)
