"""The suite's own functions, which a tool could replace in the process that it runs in, to certify itself.

The functions that judge run in another process, unless a run has `--in-process`; those that observe a tool run beside it.
A tool that is determined to get around this can: see docs/threat-model.md.
"""

import sys
from collections.abc import Collection, Iterator
from types import FunctionType
from typing import Any

OWN = ("steering_core", "steering_parity", "parity", "reports")
"""The packages whose functions are compared, as far as a process has imported them."""
TOOLS = "steering_core.tools.adapters."
"""What a tool does to its own module is its own affair."""
METHODS = (FunctionType, property, staticmethod, classmethod)
Kept = tuple[str, Any, Any, Any]
"""The name of an attribute, its value, and its function with the function's code, if it is or wraps one."""


class SuiteFunctions:
    """Those of this process: functions and classes of modules, functions of classes, and constants."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.owners: list[tuple[Any, list[Kept]]] = []
        self.count = 0

    def remember(self) -> None:
        """Before a tool is called: also what was imported since the last time."""
        if self.count == (count := len(sys.modules)):
            return
        self.count = count
        for name, module in list(sys.modules.items()):
            if name not in self.seen and name.partition(".")[0] in OWN and not name.startswith(TOOLS):
                self.seen.add(name)
                self.owners += _owners(module)

    def adopt(self) -> None:
        """What the suite, or a test of it, has changed since the last call of a tool is no tool's doing."""
        for owner, name in self._changed():
            kept = next(kept for each, kept in self.owners if each is owner)
            kept[:] = [_kept(owner, name) if item[0] == name else item for item in kept]

    def restore(self) -> list[str]:
        """After a tool was called: the names of what it replaced, all put back."""
        names = []
        for owner, name in self._changed():
            kept = next(kept for each, kept in self.owners if each is owner)
            _, value, function, code = next(item for item in kept if item[0] == name)
            setattr(owner, name, value)
            if code is not None:
                function.__code__ = code
            names.append(f"{_path(owner)}.{name}")
        return names

    def _changed(self) -> list[tuple[Any, str]]:
        return [
            (owner, name)
            for owner, kept in self.owners
            for now in (vars(owner),)
            for name, value, function, code in kept
            if now.get(name) is not value or (code is not None and function.__code__ is not code)
        ]


def problem_of(label: str, names: Collection[str]) -> dict[str, str]:
    """What is wrong with a tool that has replaced these: the arguments of a SuiteError."""
    first, more = next(iter(names)), f" and {len(names) - 1} more" if len(names) > 1 else ""
    sentence = f"tool {label} replaced {first}{more}, which the suite judges tools with"
    return {
        "code": "suite-replaced",
        "sentence": sentence,
        "hint": "a tool must leave the suite's functions as they are",
    }


def _owners(module: Any) -> Iterator[tuple[Any, list[Kept]]]:
    values = list(vars(module).items())
    yield (
        module,
        [_kept(module, name) for name, value in values if isinstance(value, FunctionType | type) or name.isupper()],
    )
    for kind in {value for _, value in values if isinstance(value, type) and value.__module__ == module.__name__}:
        yield kind, [_kept(kind, name) for name, value in list(vars(kind).items()) if isinstance(value, METHODS)]


def _kept(owner: Any, name: str) -> Kept:
    value = vars(owner).get(name)
    inner = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
    code = inner.__code__ if isinstance(inner, FunctionType) else None
    return name, value, inner if code else None, code


def _path(owner: Any) -> str:
    return f"{owner.__module__}.{owner.__qualname__}" if isinstance(owner, type) else str(owner.__name__)


SUITE = SuiteFunctions()
"""Of this process."""
