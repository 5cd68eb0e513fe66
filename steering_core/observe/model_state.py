"""Are model and process handed back as found? A snapshot of everything that a tool could leave changed, by aspect."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MethodType
from typing import Any

import torch
from torch import nn

from steering_core.models.model import LoadedModel
from steering_core.models.shared_copy import named_tensors
from steering_core.observe.aspects import STATE_ASPECTS, LeftChanged
from steering_core.observe.function_state import function_state, patched
from steering_core.observe.hook_state import hook_state, without_additions
from steering_core.observe.kept_memory import printed
from steering_core.observe.process_state import modes, process_state, random_states, torch_settings
from steering_core.observe.tokenizer_state import tokenizer_state

ModelState = dict[str, Any]
"""aspect -> place -> what it looks like there, as plain data; equal states mean that nothing was left changed."""
READABLE = (bool, int, float, str)
"""Values that a sentence can name; hashes and identities are tuples."""


def state_of(model: LoadedModel, inputs: Mapping[str, torch.Tensor] | None = None) -> ModelState:
    """The state now. inputs: the tensors that a tool gets beside the model, by name."""
    module, parts = model.module, dict(model.module.named_modules())
    state = {
        "hooks": hook_state(module),
        "forward": {name or "the model": call for name, part in parts.items() if (call := _own_forward(part))},
        "functions": function_state(module, model.tokenizer),
        "weights": _weights(module),
        "flags": _flags(module),
        "settings": torch_settings(),
        "rng": random_states(),
        "config": _config(module),
        "tokenizer": tokenizer_state(model.tokenizer),
        "inputs": fingerprints(inputs or {}),
        "process": process_state(),
    }
    return {aspect: state[aspect] for aspect in STATE_ASPECTS}


def compare_states(before: ModelState, after: ModelState) -> LeftChanged:
    """What differs, aspect by aspect, and what a library has added by itself."""
    left = LeftChanged()
    for aspect in STATE_ASPECTS:
        old, new, by_library = before[aspect], after[aspect], ""
        if aspect == "hooks":
            new, by_library = without_additions(old, new)
        elif aspect == "functions":
            old, new, by_library = patched(old, new)
        if old != new:
            left.changed[aspect] = _summary(old, new, "advanced or reset" if aspect == "rng" else "changed")
        if by_library:
            left.by_libraries[aspect] = by_library
    return left


def state_changes(before: ModelState, after: ModelState) -> dict[str, str]:
    """aspect -> how often it differs, and where first; empty when nothing changed."""
    return compare_states(before, after).changed


def process_baseline(model: LoadedModel) -> ModelState:
    """What all copies of a model share: the process and the tokenizer. To be taken before a tool is called for the first
    time: what it changes once must not be taken for the state that it found."""
    return {
        "functions": function_state(model.module, model.tokenizer),
        "settings": torch_settings(),
        "process": process_state(),
        "flags": modes(),
        "tokenizer": tokenizer_state(model.tokenizer),
    }


def process_changed(model: LoadedModel, baseline: Mapping[str, Any]) -> bool:
    """Whether the process is no longer as in an earlier `process_baseline` of the model."""
    now = process_baseline(model)
    before, after, _ = patched(baseline["functions"], now["functions"])
    return before != after or any(now[aspect] != baseline[aspect] for aspect in ("settings", "process", "flags"))


@contextmanager
def watching(
    model: LoadedModel, inputs: Mapping[str, torch.Tensor], baseline: Mapping[str, Any] | None = None
) -> Iterator[LeftChanged]:
    """What the calls inside leave changed, filled in at the end; printed text counts as a change of the process.

    baseline: aspects as they were at an earlier time, from `process_baseline`.
    """
    left, before = LeftChanged(), state_of(model, inputs)
    for aspect, earlier in (baseline or {}).items():
        before[aspect] = before[aspect] | earlier if aspect == "flags" else earlier
    with printed() as lengths:
        yield left
    found = compare_states(before, state_of(model, inputs))
    if lengths:
        text = f"{sum(lengths)} characters printed to the standard output"
        found.changed["process"] = "; ".join(filter(None, (found.changed.get("process"), text)))
    left.changed, left.by_libraries = found.changed, found.by_libraries


def _summary(before: Mapping[str, Any], after: Mapping[str, Any], changed: str) -> str:
    differing = [name for name in before if name in after and before[name] != after[name]]
    places = {
        "removed from": [name for name in before if name not in after],
        "added to": [name for name in after if name not in before],
        f"{changed} in": differing,
    }
    text = "; ".join(f"{change} {_count(names)}" for change, names in places.items() if names)
    return text + (_values(before[differing[0]], after[differing[0]]) if differing else "")


def _count(names: list[str]) -> str:
    return f"{len(names)} place{'s' * (len(names) > 1)}, first {names[0]}"


def _values(before: Any, after: Any) -> str:
    shown = isinstance(before, READABLE) and isinstance(after, READABLE) and len(f"{before}{after}") < 80
    return f" ({before} before, {after} after)" if shown else ""


def _own_forward(part: nn.Module) -> tuple[int, ...]:
    """Identity of a `forward` on the instance; () for none, and for the class's own, which a library may put back."""
    forward = vars(part).get("forward")
    if isinstance(forward, MethodType) and forward.__func__ is type(part).forward and forward.__self__ is part:
        return ()
    return () if forward is None else (id(forward), id(getattr(forward, "__code__", None)))


def _weights(module: nn.Module) -> dict[str, tuple[int, ...]]:
    gradients = {f"the gradient of {name}": parameter.grad for name, parameter in module.named_parameters()}
    present = {name: gradient for name, gradient in gradients.items() if gradient is not None}
    return fingerprints(dict(named_tensors(module)) | present)


def fingerprints(tensors: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    """Address, version and the sum of the bits of each: changes when a value, the storage or the count of writes does.

    All sums of a device come from it at once: for every transfer one waits until a GPU, and whoever shares it, is done.
    """
    sums = {name: _sum_of_bits(tensor) for name, tensor in tensors.items()}
    numbers: dict[str, int] = {}
    for device in {each.device for each in sums.values()}:
        own = [name for name, each in sums.items() if each.device == device]
        numbers |= zip(own, torch.stack([sums[name] for name in own]).tolist(), strict=True)
    return {name: (tensor.data_ptr(), _version(tensor), numbers[name]) for name, tensor in tensors.items()}


def _sum_of_bits(tensor: torch.Tensor) -> torch.Tensor:
    """In 64-bit words where the size allows it: summing bytes would first widen each to eight."""
    raw = tensor.detach().reshape(-1).view(torch.uint8)
    words = raw.view(torch.int64) if raw.numel() % 8 == 0 and raw.storage_offset() % 8 == 0 else raw
    return words.sum(dtype=torch.int64)


def _version(tensor: torch.Tensor) -> int:
    """How often it was written to; inference mode counts no writes."""
    return -1 if tensor.is_inference() else tensor._version


def _flags(module: nn.Module) -> dict[str, Any]:
    flags = modes()
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


def _config(module: Any) -> dict[str, Any]:
    return {
        "config": module.config.to_json_string(use_diff=False),
        "attention": module.config._attn_implementation,
        "generation_config": repr(module.generation_config.to_dict()),
    }
