"""A copy shares every tensor and no module; a tensor with two names is listed under both."""

import torch
from torch import nn

from steering_core.models.shared_copy import named_tensors, sharing_copy


def test_every_name_of_a_shared_tensor_is_listed() -> None:
    norm = nn.BatchNorm1d(2)
    names = [name for name, _ in named_tensors(nn.Sequential(norm, norm))]

    tensors = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    assert sorted(names) == sorted(f"{place}.{name}" for place in (0, 1) for name in tensors)


def test_a_copy_shares_tensors_and_not_modules() -> None:
    norm = nn.BatchNorm1d(2)
    module = nn.Sequential(norm, norm, nn.Linear(2, 2))

    twin = sharing_copy(module)

    pairs = zip(named_tensors(module), named_tensors(twin), strict=True)
    assert [name for (name, own), (other, shared) in pairs if name != other or own is not shared] == []
    assert twin[0] is twin[1], "what was one module stays one"
    assert {id(part) for part in twin.modules()}.isdisjoint(id(part) for part in module.modules())
    twin[2].weight = nn.Parameter(torch.zeros(2, 2))
    assert not torch.equal(module[2].weight, twin[2].weight)
