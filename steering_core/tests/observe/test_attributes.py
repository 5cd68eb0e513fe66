"""A module or class is the same only while each attribute is the same object, with the same code."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from steering_core.observe.attributes import Attributes, Remembered
from steering_core.observe.function_state import REMEMBERED


def twice(value: int = 1, *, scale: int = 2) -> int:
    return scale * value


def thrice(value: int = 1, *, scale: int = 3) -> int:
    return scale * value


class EqualToAll:
    """Says that it equals everything."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True


def a_class() -> Any:
    class Owner:
        limit = 1000
        plain = twice

        @property
        def size(self) -> int:
            return 1

        @staticmethod
        def fixed() -> int:
            return 1

        @classmethod
        def made(cls) -> int:
            return 1

    return Owner


def a_module() -> Any:
    owner = ModuleType("owner")
    owner.__dict__.update(limit=1000, plain=lambda value=1, *, scale=2: scale * value, last=twice)
    return owner


def rename_last(owner: Any) -> None:
    owner.other = owner.last
    del owner.last


OF_A_CLASS: dict[str, Callable[[Any], Any]] = {
    "another object": lambda owner: setattr(owner, "plain", thrice),
    "an object that equals everything": lambda owner: setattr(owner, "plain", EqualToAll()),
    "an equal constant": lambda owner: setattr(owner, "limit", 1000.0),
    "a new name": lambda owner: setattr(owner, "more", 1),
    "a name less": lambda owner: delattr(owner, "limit"),
    "code of a property": lambda owner: setattr(vars(owner)["size"].fget, "__code__", (lambda self: 2).__code__),
    "code of a static method": lambda owner: setattr(owner.fixed, "__code__", (lambda: 2).__code__),
    "code of a class method": lambda owner: setattr(owner.made.__func__, "__code__", (lambda cls: 2).__code__),
}
OF_A_MODULE: dict[str, Callable[[Any], Any]] = {
    "code": lambda owner: setattr(owner.plain, "__code__", thrice.__code__),
    "defaults": lambda owner: setattr(owner.plain, "__defaults__", (5,)),
    "keyword defaults": lambda owner: setattr(owner.plain, "__kwdefaults__", {"scale": 5}),
    "the last one renamed": rename_last,
}
CHANGES = [
    *((a_class, name, change) for name, change in OF_A_CLASS.items()),
    *((a_module, name, change) for name, change in OF_A_MODULE.items()),
]


@pytest.mark.parametrize(
    ("make", "change"), [(make, change) for make, _, change in CHANGES], ids=[c[1] for c in CHANGES]
)
def test_a_change_is_seen_and_what_was_known_is_computed_again(
    make: Callable[[], Any], change: Callable[[Any], Any]
) -> None:
    owner = make()
    attributes, names = Attributes(owner), Remembered(lambda each: [*vars(each)])
    before = names.of(owner)

    assert attributes.are_same()
    assert names.of(owner) is before
    change(owner)
    assert not attributes.are_same()
    assert names.of(owner) is not before
    assert names.of(owner) == [*vars(owner)]


def test_new_code_has_a_new_fingerprint() -> None:
    owner = a_module()
    before = REMEMBERED.of(owner)[0]
    owner.plain.__code__ = thrice.__code__
    after = REMEMBERED.of(owner)[0]

    assert before["plain"] != after["plain"]
    assert before["last"] == after["last"]
