"""A model as a user may have it when a tool is lent it: with hooks and gradients of the user's own."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from steering_core.models.model import LoadedModel


@contextmanager
def with_user_state(model: LoadedModel) -> Iterator[None]:
    """The user's hooks of several kinds, parameters that require gradients, and one gradient; undone after.

    The random states are advanced first: a tool that seeds before every call would otherwise restore its own seed.
    """
    torch.rand(1)
    random.random()
    np.random.random()
    parameters = [parameter for parameter in model.module.parameters() if parameter.is_floating_point()]
    smallest = min(parameters, key=torch.Tensor.numel)
    for parameter in parameters:
        parameter.requires_grad_(True)
    smallest.grad = torch.ones_like(smallest)
    with ExitStack() as stack:
        for handle in _hooks(model, smallest):
            stack.callback(handle.remove)
        try:
            yield
        finally:
            smallest.grad = None
            for parameter in parameters:
                parameter.requires_grad_(False)


def _hooks(model: LoadedModel, parameter: torch.Tensor) -> Iterator[Any]:
    block, last = model.blocks[0], model.blocks[-1]
    yield block.register_forward_hook(lambda module, args, output: None)
    yield last.register_forward_pre_hook(lambda module, args: None)
    yield model.module.register_state_dict_post_hook(lambda module, state, prefix, metadata: None)
    yield parameter.register_hook(lambda gradient: None)
    yield nn.modules.module.register_module_forward_hook(lambda module, args, output: None)
