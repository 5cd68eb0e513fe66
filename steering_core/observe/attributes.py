"""Whether a module or a class has the attributes that it had: a comparison of objects, without a line of Python for each."""

from collections.abc import Callable, Iterator
from itertools import chain
from operator import attrgetter, is_
from types import FunctionType, ModuleType
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")
Owner = type | ModuleType
WRAPPING = (staticmethod, classmethod)
PARTS = tuple(attrgetter(name) for name in ("__code__", "__defaults__", "__kwdefaults__"))
"""What can be replaced in a function that stays the same object."""


class Attributes:
    """Those of a module or class at one time. Every object is kept, so that no later one can have its address."""

    def __init__(self, owner: Owner) -> None:
        self.owner, self.names = owner, [*vars(owner)]
        self.functions = tuple(function for each in vars(owner).values() if (function := function_of(each)))
        self.objects = (*self._objects(),)

    def are_same(self) -> bool:
        """Whether every attribute is still the same object, in the same place, with the same code and defaults."""
        return [*vars(self.owner)] == self.names and all(map(is_, self._objects(), self.objects))

    def _objects(self) -> Iterator[Any]:
        return chain(vars(self.owner).values(), *(map(part, self.functions) for part in PARTS))


def function_of(value: Any) -> FunctionType | None:
    """The function that an attribute is, or that a property, static method or class method calls."""
    inner = value.fget if isinstance(value, property) else value.__func__ if isinstance(value, WRAPPING) else value
    return inner if isinstance(inner, FunctionType) else None


class Remembered(Generic[Value]):
    """What `compute` said about each owner, computed again once an attribute of the owner is another object."""

    def __init__(self, compute: Callable[[Owner], Value]) -> None:
        self.compute = compute
        self.known: dict[Owner, tuple[Attributes, Value]] = {}

    def of(self, owner: Owner) -> Value:
        """The value for an owner: the same object as long as its attributes are."""
        known = self.known.get(owner)
        if known is None or not known[0].are_same():
            known = self.known[owner] = (Attributes(owner), self.compute(owner))
        return known[1]
