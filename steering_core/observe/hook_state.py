"""Every hook that is in place: on modules, on parameters, for all modules, and torch's modes."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

CAPTURING = ("transformers.utils.output_capturing", "transformers.utils.generic")
"""Where transformers defines the hooks that it adds to a model when hidden states or attentions are first asked for."""
PER_MODULE = (
    *("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks"),
    *("_state_dict_pre_hooks", "_state_dict_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks"),
)
GLOBAL = (
    *("_global_forward_pre_hooks", "_global_forward_hooks", "_global_backward_pre_hooks", "_global_backward_hooks"),
    *("_global_module_registration_hooks", "_global_parameter_registration_hooks", "_global_buffer_registration_hooks"),
)
MODES = ("_len_torch_function_stack", "_len_torch_dispatch_stack")
Hook = tuple[str, int, int, bool]
"""Kind, number, identity of the function, whether transformers added it by itself."""


def hook_state(module: nn.Module) -> dict[str, Any]:
    """Place -> the hooks there, in order; places without hooks are left out."""
    parts = {name or "the model": part for name, part in module.named_modules()}
    places = {name: _hooks(vars(part), PER_MODULE) for name, part in parts.items()}
    places |= {name: _tensor_hooks(parameter) for name, parameter in module.named_parameters()}
    places["all modules"] = _hooks(vars(nn.modules.module), GLOBAL)
    found: dict[str, Any] = {place: hooks for place, hooks in places.items() if hooks}
    return found | _modes()


def without_additions(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The hooks afterwards without those that transformers has added since, and a sentence about these, or ""."""
    kept, places = dict(after), 0
    for place, hooks in after.items():
        known = before.get(place, ())
        if isinstance(hooks, list) and (tool_made := [hook for hook in hooks if not hook[3] or hook in known]) != hooks:
            kept[place], places = tool_made, places + 1
    kept = {place: hooks for place, hooks in kept.items() if hooks}
    return kept, f"transformers added its capturing hooks in {places} places" if places else ""


def _hooks(owner: Mapping[str, Any], kinds: tuple[str, ...]) -> list[Hook]:
    found = []
    for kind in kinds:
        hooks = owner.get(kind)
        for key, hook in hooks.items() if hooks else ():
            function = getattr(hook, "hook", hook)  # some are wrapped by torch
            by_transformers = kind == "_forward_hooks" and getattr(function, "__module__", "") in CAPTURING
            found.append((kind, int(key), id(function), by_transformers))
    return found


def _tensor_hooks(tensor: torch.Tensor) -> list[Hook]:
    kinds = ("_backward_hooks", "_post_accumulate_grad_hooks")
    return _hooks({kind: getattr(tensor, kind, None) for kind in kinds}, kinds)


def _modes() -> dict[str, Any]:
    counts = {f"torch's modes ({name})": getattr(torch._C, name, int)() for name in MODES}
    saving = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", None)
    counts["hooks on saved tensors"] = int(saving is not None and saving(False) is not None)
    return {name: count for name, count in counts.items() if count}
