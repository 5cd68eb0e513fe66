"""Is a model handed back as it was found? A snapshot of everything that a tool could leave changed, by aspect."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from steering_core.models.model import LoadedModel
from steering_core.models.shared_copy import named_tensors

ASPECTS = ("hooks", "forward", "weights", "flags", "rng", "config", "inputs")
State = dict[str, Any]
_CHECKPOINTING = "gradient_checkpointing"


def state_of(model: LoadedModel, given: Mapping[str, torch.Tensor] | None = None) -> State:
    """aspect -> what it looks like now; equal states mean that nothing was left changed.

    given: the tensors that were handed over with the model, by name.
    """
    module = model.module
    return {
        "hooks": {name: _hooks(part) for name, part in module.named_modules() if _hooks(part)},
        "forward": {
            name: id(vars(part)["forward"]) for name, part in module.named_modules() if "forward" in vars(part)
        },
        "weights": {name: _fingerprint(tensor) for name, tensor in named_tensors(module)},
        "flags": _flags(module),
        "rng": _rng(),
        "config": _config(module),
        "inputs": {name: _fingerprint(tensor) for name, tensor in (given or {}).items()},
    }


def changed(before: State, after: State) -> dict[str, str]:
    """aspect -> the first thing that differs, in words; empty when the model is as it was."""
    return {aspect: _first(before[aspect], after[aspect]) for aspect in ASPECTS if before[aspect] != after[aspect]}


def _first(before: Any, after: Any) -> str:
    if not isinstance(before, dict):
        return "advanced or reset"
    lost = [name for name in before if name not in after]
    new = [name for name in after if name not in before]
    other = [name for name in before if name in after and before[name] != after[name]]
    parts = (("removed from", lost), ("added to", new), ("changed on", other))
    return "; ".join(f"{verb} {len(names)} places, first {names[0] or 'the model'}" for verb, names in parts if names)


def _hooks(part: nn.Module) -> list[int]:
    kinds = (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks)
    return [key for kind in kinds for key in kind]


def _fingerprint(tensor: torch.Tensor) -> tuple[int, ...]:
    """Address, version and the sum of the bits: changes when a value, the storage or the count of writes does.

    Bits are added up as 64-bit words where they divide: adding bytes would first make eight times as many of them.
    """
    raw = tensor.detach().reshape(-1).view(torch.uint8)
    words = raw.view(torch.int64) if raw.numel() % 8 == 0 and raw.storage_offset() % 8 == 0 else raw
    return (tensor.data_ptr(), tensor._version, int(words.sum(dtype=torch.int64)))


def _flags(module: nn.Module) -> dict[str, Any]:
    parts = [(name or "the model", part) for name, part in module.named_modules()]
    grads = {f"requires_grad of {name}": tensor.requires_grad for name, tensor in module.named_parameters()}
    return {
        **{f"training of {name}": part.training for name, part in parts},
        **grads,
        **{f"type of {name}": type(part).__qualname__ for name, part in parts},
        # Either silences hooks: a compiled module keeps those it was compiled with, a checkpoint runs again later.
        **{f"compiled call of {name}": part._compiled_call_impl is not None for name, part in parts},
        **{f"gradient checkpointing of {name}": bool(getattr(part, _CHECKPOINTING, False)) for name, part in parts},
        "grad mode": torch.is_grad_enabled(),
    }


def _rng() -> tuple[bytes, ...]:
    states = [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [])]
    return (
        *(state.numpy().tobytes() for state in states),
        repr(random.getstate()).encode(),
        repr(np.random.get_state()).encode(),
    )


def _advance_rng() -> None:
    torch.rand(1)
    random.random()
    np.random.random()


def _config(module: Any) -> dict[str, Any]:
    return {
        "config": module.config.to_json_string(use_diff=False),
        "attention": module.config._attn_implementation,
        "generation_config": repr(module.generation_config.to_dict()),
    }


@contextmanager
def lent(model: LoadedModel) -> Iterator[None]:
    """Lend the model with a user's hook on its first block and parameters that want gradients; take both back after.

    The random states are moved on first: a tool that seeds them before every call would else find its own seed.
    """
    _advance_rng()
    handle = model.blocks[0].register_forward_hook(lambda module, args, output: None)
    floating = [tensor for tensor in model.module.parameters() if tensor.is_floating_point()]
    for tensor in floating:
        tensor.requires_grad_(True)
    try:
        yield
    finally:
        handle.remove()
        for tensor in floating:
            tensor.requires_grad_(False)
