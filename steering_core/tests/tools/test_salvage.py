"""What is read of an odd value, and what it is called, without its own code having a say."""

from typing import Any

import pytest
import torch
from torch import Tensor

from steering_core.models.sites import Site
from steering_core.tests.random_models import random_model
from steering_core.tests.wrong_answers import BATCH, hidden
from steering_core.tools.contract import Storages, checked_read
from steering_core.tools.salvage import as_tensor, name_of

SITE = Site("resid_post", 1)


class Secretive(dict[Site, Tensor]):
    """A dict that does not show what it holds."""

    def items(self) -> Any:
        """Nothing, whatever it holds."""
        return ()


def test_a_dict_of_another_class_is_read_as_the_dict_that_it_is() -> None:
    kept, breaches = checked_read(Secretive({SITE: hidden()}), random_model("llama"), BATCH, (SITE,), Storages())

    assert breaches == []
    assert kept[SITE].equal(hidden())


def test_a_long_class_name_is_cut() -> None:
    assert name_of(type("X" * 1000, (), {})()) == "a " + "X" * 60
    assert name_of(type("X" * 60, (), {})()) == "a " + "X" * 60


def test_a_plain_tensor_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read of every site of a model returns hundreds of them."""
    looked_at: list[torch.Size] = []
    take = torch.Tensor.tolist

    def counted(tensor: Tensor) -> Any:
        looked_at.append(tensor.shape)
        return take(tensor)

    monkeypatch.setattr(torch.Tensor, "tolist", counted)
    assert as_tensor(torch.ones(2, 3))[1] == []
    assert looked_at == []
    assert as_tensor(torch.nn.Parameter(torch.ones(2, 3)))[1]
    assert looked_at == [torch.Size([1])]
