"""Fingerprints of classes and functions, which show a monkey-patch: those of torch, of the model's and the tokenizer's
classes and their modules in transformers, its Auto classes, and this suite's own.

A module that is imported in between is not a change, nor is a name that a module gains; a method that a class gains is
one, because it overrides another.
"""

import sys
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

from torch import nn

from steering_core.observe.attributes import WRAPPING, Owner, Remembered

Fingerprint = tuple[int | str, ...]
FunctionState = dict[str, dict[str, dict[str, Fingerprint]]]
"""Modules and classes -> owner -> name -> identity of the function, of its code and its defaults, and its file."""
MODULES = (
    *("builtins", "random", "warnings", "torch", "torch._tensor", "torch.autograd", "torch.autograd.grad_mode"),
    *("torch.nn.functional", "torch.nn.init", "torch.random", "torch.utils.hooks", "transformers.modeling_utils"),
    *("transformers.generation.utils", "transformers.cache_utils", "transformers.masking_utils"),
)
PREFIXES = ("torch.nn.modules.", "transformers.models.auto.", "steering_core.")
"""Modules whose own classes are covered too."""
FOLLOWING = {"torch.Storage"}
"""Made anew by torch when the default dtype changes, which is reported as a setting."""
LATER = {"torch.manual_seed": ("torch/_dynamo/", "torch/_compile.py")}
"""Function -> files of the library from which it is itself replaced when a part of the library is first imported."""


def function_state(module: nn.Module, tokenizer: object) -> FunctionState:
    """The functions of every covered class and module that has been imported."""
    classes = {kind for part in module.modules() for kind in type(part).__mro__}
    classes |= {*type(tokenizer).__mro__, *nn.Parameter.__mro__}
    names = {kind.__module__ for kind in classes if kind.__module__.startswith("transformers.")} | {*MODULES}
    names |= {name for name in list(sys.modules) if name.startswith(PREFIXES)}
    modules = {name: sys.modules[name] for name in names if isinstance(sys.modules.get(name), ModuleType)}
    classes |= {
        kind for name, owner in modules.items() if name.startswith(PREFIXES) for kind in REMEMBERED.of(owner)[1]
    }
    return {
        "modules": {name: REMEMBERED.of(owner)[0] for name, owner in modules.items()},
        "classes": {f"{kind.__module__}.{kind.__qualname__}": REMEMBERED.of(kind)[0] for kind in classes - {object}},
    }


def patched(before: FunctionState, after: FunctionState) -> tuple[dict[str, Any], dict[str, Any], str]:
    """The functions that differ: name -> fingerprint before and after; and what a library has replaced by itself."""
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    own: list[str] = []
    for kind, owner, name in _names(before, after):
        was, now = before[kind][owner].get(name), after[kind][owner].get(name)
        place = f"{owner}.{name}"
        if was == now or place in FOLLOWING:
            continue
        if now and _by_library(place, now):
            own.append(place)
            continue
        old |= {place: was} if was else {}
        new |= {place: now} if now else {}
    return old, new, f"torch itself replaced {', '.join(own)} when more of it was imported" if own else ""


def _names(before: FunctionState, after: FunctionState) -> Iterator[tuple[str, str, str]]:
    for kind, owners in before.items():
        for owner, functions in owners.items():
            if owner in after[kind] and after[kind][owner] is not functions:
                gained = after[kind][owner].keys() - functions.keys() if kind == "classes" else set()
                yield from ((kind, owner, name) for name in (*functions, *sorted(gained)))


def _by_library(place: str, fingerprint: Fingerprint) -> bool:
    return any(part in str(fingerprint[-1]) for part in LATER.get(place, ()))


def _own_classes(owner: Owner) -> set[type]:
    return {value for value in vars(owner).values() if isinstance(value, type) and value.__module__ == owner.__name__}


def _fingerprints(owner: Owner) -> Iterator[tuple[str, Fingerprint]]:
    for name, value in list(vars(owner).items()):
        if isinstance(value, FunctionType):
            code = value.__code__
            defaults = id(value.__defaults__), id(value.__kwdefaults__)
            yield name, (id(value), id(code), *defaults, code.co_filename)
        elif isinstance(value, property):
            yield name, (id(value.fget), id(value.fset), id(getattr(value.fget, "__code__", None)))
        elif isinstance(value, WRAPPING):
            yield name, (id(value.__func__), id(getattr(value.__func__, "__code__", None)))
        elif callable(value):
            yield name, (id(value),)


REMEMBERED = Remembered(lambda owner: (dict(_fingerprints(owner)), _own_classes(owner)))
