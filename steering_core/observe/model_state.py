"""Is a model left unmodified? A snapshot of everything that a tool could leave changed, by aspect."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from steering_core.models.model import LoadedModel
from steering_core.models.shared_copy import named_tensors

ModelState = dict[str, Any]
"""aspect -> what it looks like now; equal states mean that nothing was left changed."""
ASPECTS = ("hooks", "forward", "weights", "flags", "rng", "config", "inputs")


def state_of(model: LoadedModel, inputs: Mapping[str, torch.Tensor] | None = None) -> ModelState:
    """The state now. inputs: the tensors that a tool gets beside the model, by name."""
    parts = dict(model.module.named_modules())
    return {
        "hooks": {name: hooks for name, part in parts.items() if (hooks := _hooks(part))},
        "forward": {name: id(vars(part)["forward"]) for name, part in parts.items() if "forward" in vars(part)},
        "weights": {name: _fingerprint(tensor) for name, tensor in named_tensors(model.module)},
        "flags": _flags(model.module),
        "rng": _rng(),
        "config": _config(model.module),
        "inputs": {name: _fingerprint(tensor) for name, tensor in (inputs or {}).items()},
    }


def state_changes(before: ModelState, after: ModelState) -> dict[str, str]:
    """aspect -> how often it differs, and where first; empty when nothing changed."""
    return {aspect: _summary(before[aspect], after[aspect]) for aspect in ASPECTS if before[aspect] != after[aspect]}


def _summary(before: Any, after: Any) -> str:
    if not isinstance(before, dict):
        return "advanced or reset"
    places = {
        "removed from": [name for name in before if name not in after],
        "added to": [name for name in after if name not in before],
        "changed in": [name for name in before if name in after and before[name] != after[name]],
    }
    return "; ".join(f"{change} {_count(names)}" for change, names in places.items() if names)


def _count(names: list[str]) -> str:
    return f"{len(names)} place{'s' * (len(names) > 1)}, first {names[0] or 'the model'}"


def _hooks(part: nn.Module) -> list[int]:
    return [*part._forward_hooks, *part._forward_pre_hooks, *part._backward_hooks]


def _fingerprint(tensor: torch.Tensor) -> tuple[int, ...]:
    """Address, version and the sum of the bits: changes when a value, the storage or the count of writes does.

    Bits are summed as 64-bit words where the size allows it: summing bytes would first widen each to eight.
    """
    raw = tensor.detach().reshape(-1).view(torch.uint8)
    words = raw.view(torch.int64) if raw.numel() % 8 == 0 and raw.storage_offset() % 8 == 0 else raw
    return (tensor.data_ptr(), tensor._version, int(words.sum(dtype=torch.int64)))


def _flags(module: nn.Module) -> dict[str, Any]:
    flags: dict[str, Any] = {"grad mode": torch.is_grad_enabled()}
    for name, parameter in module.named_parameters():
        flags[f"requires_grad of {name}"] = parameter.requires_grad
    for path, part in module.named_modules():
        name = path or "the model"
        flags[f"training of {name}"] = part.training
        flags[f"type of {name}"] = type(part).__qualname__
        # Either silences hooks: a compiled module keeps those it was compiled with, a checkpoint runs again later.
        flags[f"compiled call of {name}"] = part._compiled_call_impl is not None
        flags[f"gradient checkpointing of {name}"] = bool(getattr(part, "gradient_checkpointing", False))
    return flags


def _rng() -> tuple[bytes, ...]:
    states = [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [])]
    others = (random.getstate(), np.random.get_state())
    return (*(state.numpy().tobytes() for state in states), *(repr(state).encode() for state in others))


def _config(module: Any) -> dict[str, Any]:
    return {
        "config": module.config.to_json_string(use_diff=False),
        "attention": module.config._attn_implementation,
        "generation_config": repr(module.generation_config.to_dict()),
    }


@contextmanager
def with_user_state(model: LoadedModel) -> Iterator[None]:
    """The model as a user may have it: a hook on its first block, and parameters that require gradients; undone after.

    The random states are advanced first: a tool that seeds before every call would otherwise restore its own seed.
    """
    torch.rand(1)
    random.random()
    np.random.random()
    handle = model.blocks[0].register_forward_hook(lambda module, args, output: None)
    parameters = [parameter for parameter in model.module.parameters() if parameter.is_floating_point()]
    for parameter in parameters:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        handle.remove()
        for parameter in parameters:
            parameter.requires_grad_(False)
