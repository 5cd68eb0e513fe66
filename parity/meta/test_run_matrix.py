"""The models and tools that the command line selects, found without loading any."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from parity.plugin.request.selection import marks_of, selects
from parity.plugin.request.tools import tool_names
from steering_core.errors import UsageProblem
from steering_core.models.registry import read_registry
from steering_core.places import FIXTURES
from steering_core.tools.spec import ToolSpec

REGISTRY = read_registry(FIXTURES / "models.toml")
KEYS = (("tiny_a", "qwen2", True, True), ("tiny_b", "gemma2", True, False), ("big_a", "qwen2", False, False))
SMALL = {
    key: replace(REGISTRY["tiny_qwen2"], key=key, family=family, tiny=tiny, default=default)
    for key, family, tiny, default in KEYS
}
"""A registry of three models."""


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
def test_an_expression_selects_models_by_their_marks(expression: str, keys: set[str]) -> None:
    assert selected(expression) == keys


def test_an_unregistered_model_replaces_the_default_ones() -> None:
    assert selected("", only_named=True) == set()
    assert selected("tiny_b", only_named=True) == {"tiny_b"}


@pytest.mark.parametrize(
    "expression", ["big_b", "tiny_a or big_b", "tiny_a < tiny_b", "tiny_a()", "tiny_a or", "(tiny_a"]
)
def test_an_invalid_expression_is_refused(expression: str) -> None:
    with pytest.raises(UsageProblem, match="-m "):
        selected(expression)


def test_the_marks_of_a_model_are_its_key_its_family_and_its_size() -> None:
    assert marks_of(SMALL["tiny_b"]) == {"tiny_b", "gemma2", "tiny"}
    assert marks_of(SMALL["big_a"]) == {"big_a", "qwen2"}


def tool_options(tools: str | None = None, *added: str) -> Any:
    return SimpleNamespace(tools=tools, tool=list(added))


def test_tools_keep_the_order_of_the_command_line() -> None:
    assert tool_names(tool_options()) == ("hooks", "nnsight", "pyvene")
    assert tool_names(tool_options("pyvene, hooks")) == ("pyvene", "hooks")
    assert tool_names(tool_options("hooks", f"{__file__}:Mine")) == ("hooks", f"{__file__}:Mine")
    assert tool_names(tool_options("hooks", "any.module:Mine")) == ("hooks", "any.module:Mine"), (
        "a missing module is reported by the checks"
    )


def test_a_tool_goes_by_the_name_of_its_class() -> None:
    assert [ToolSpec.parse(text).label for text in ("hooks", "a/b.py:Mine", "a.b:Mine")] == ["hooks", "Mine", "Mine"]


AMBIGUOUS = [("hooks,hooks",), ("hooks,",), (",hooks",), ("hooks", "x:A", "y:A"), ("hooks", "x:hooks")]
UNKNOWN = [("nosuch",), (None, "nosuch"), (None, "none.py:A"), (None, "x:")]


@pytest.mark.parametrize("tools", AMBIGUOUS + UNKNOWN)
def test_ambiguous_and_unknown_tools_are_refused(tools: tuple[str | None, ...]) -> None:
    with pytest.raises(UsageProblem):
        tool_names(tool_options(*tools))
