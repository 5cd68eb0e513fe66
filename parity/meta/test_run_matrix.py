"""What the command line asks for, worked out without loading anything."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from parity.plugin.request.run_matrix import tool_names
from parity.plugin.request.selection import marks_of, selects
from steering_core.errors import UsageProblem
from steering_core.models.registry import read_registry
from steering_core.places import FIXTURES
from steering_core.tools.spec import ToolSpec

REGISTRY = read_registry(FIXTURES / "models.toml")
SMALL = {
    key: replace(REGISTRY["tiny_qwen2"], key=key, family=family, tiny=tiny, default=default)
    for key, family, tiny, default in (
        ("tiny_a", "qwen2", True, True), ("tiny_b", "gemma2", True, False), ("big_a", "qwen2", False, False),
    )
}  # fmt: skip


def selected(expression: str, only_named: bool = False) -> set[str]:
    return {key for key, spec in SMALL.items() if selects(expression, spec, SMALL, only_named)}


@pytest.mark.parametrize(
    ("expression", "keys"),
    [
        ("", {"tiny_a"}),
        ("clause", {"tiny_a"}),
        ("tiny", {"tiny_a", "tiny_b"}),
        ("big_a", {"big_a"}),
        ("qwen2", {"tiny_a", "big_a"}),
        ("qwen2 and not tiny", {"big_a"}),
        ("not qwen2", {"tiny_b"}),
        ("big_a or gemma2", {"big_a", "tiny_b"}),
        ("big_a and clause", {"big_a"}),
        ("not (tiny_a or big_a)", {"tiny_b"}),
        ("qwen2 and gemma2", set()),
        (" big_a ", {"big_a"}),
    ],
)
def test_an_expression_selects_models_as_pytest_selects_checks(expression: str, keys: set[str]) -> None:
    assert selected(expression) == keys


def test_a_model_made_on_the_spot_replaces_the_default_ones() -> None:
    assert selected("", only_named=True) == set()
    assert selected("tiny_b", only_named=True) == {"tiny_b"}


@pytest.mark.parametrize(
    "expression", ["big_b", "tiny_a or big_b", "tiny_a < tiny_b", "tiny_a()", "tiny_a or", "(tiny_a"]
)
def test_an_expression_that_is_not_understood_is_refused(expression: str) -> None:
    with pytest.raises(UsageProblem, match="-m "):
        selected(expression)


def test_the_marks_of_a_model_are_its_key_its_family_and_its_size() -> None:
    assert marks_of(SMALL["tiny_b"]) == {"tiny_b", "gemma2", "tiny"}
    assert marks_of(SMALL["big_a"]) == {"big_a", "qwen2"}


def asked(tools: str | None = None, *added: str) -> Any:
    return SimpleNamespace(tools=tools, tool=list(added))


def test_tools_keep_the_order_in_which_they_were_named() -> None:
    assert tool_names(asked()) == ("hooks", "nnsight", "pyvene")
    assert tool_names(asked("pyvene, hooks")) == ("pyvene", "hooks")
    assert tool_names(asked("hooks", f"{__file__}:Mine")) == ("hooks", f"{__file__}:Mine")
    assert tool_names(asked("hooks", "any.module:Mine")) == ("hooks", "any.module:Mine"), "found missing by its checks"


def test_a_tool_goes_by_the_name_of_its_class() -> None:
    assert [ToolSpec.parse(text).label for text in ("hooks", "a/b.py:Mine", "a.b:Mine")] == ["hooks", "Mine", "Mine"]


@pytest.mark.parametrize(
    "options",
    [asked("hooks,hooks"), asked("hooks,"), asked(",hooks"), asked("hooks", "x:A", "y:A"), asked("hooks", "x:hooks"),
     asked("nosuch"), asked(None, "nosuch"), asked(None, "none.py:A"), asked(None, "x:")],
)  # fmt: skip
def test_tools_that_cannot_be_told_apart_or_found_are_refused(options: Any) -> None:
    with pytest.raises(UsageProblem):
        tool_names(options)
