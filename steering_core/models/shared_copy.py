"""A copy of a model's modules that shares its weights, so that changes to the modules affect nobody else."""

import copy
from typing import Any

import torch


def named_tensors(module: Any) -> list[tuple[str, torch.Tensor]]:
    """Every parameter and buffer, unsaved ones too. (A quantized layer builds its state_dict anew at every call.)"""
    return [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]


def sharing_copy(module: Any) -> Any:
    """New module objects around the same parameters and buffers, at no cost in memory."""
    tensors = [tensor for _, tensor in named_tensors(module)]
    # Quantized layers hold their weights a second time, in a state object beside the parameter.
    states = [vars(value) for part in module.modules() for value in vars(part).values() if hasattr(value, "__dict__")]
    tensors += [value for state in states for value in state.values() if isinstance(value, torch.Tensor)]
    return copy.deepcopy(module, {id(tensor): tensor for tensor in tensors})
