"""House rules: files of at most 250 lines, functions of at most 40, complete annotations and docstrings."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from parity.meta.source_rules import ROOMS
from steering_core.places import ROOT

LINES, FUNCTION_LINES = 250, 40
FILES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [ROOT / "conftest.py", *(file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py")))]
}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(text: str) -> Iterator[Function]:
    """Every function of a file, nested ones included."""
    return (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def long_file(name: str, text: str) -> list[str]:
    """No file has more than 250 lines."""
    count = len(text.splitlines())
    return [f"{name} has {count} lines"] if count > LINES else []


def long_functions(name: str, text: str) -> list[str]:
    """No function has more than 40 lines, without its decorators."""
    sizes = {f"{node.name}:{node.lineno}": (node.end_lineno or 0) - node.lineno + 1 for node in functions(text)}
    return [f"{name} {where} has {size} lines" for where, size in sizes.items() if size > FUNCTION_LINES]


def bare_functions(name: str, text: str) -> list[str]:
    """Every parameter and result is annotated, in the packages that mypy checks strictly."""
    if not name.startswith(("steering_core/", "reports/")):
        return []
    return [f"{name}:{node.lineno} {node.name} lacks annotations" for node in functions(text) if lacks_annotation(node)]


def lacks_annotation(node: Function) -> bool:
    """Whether the result, or a parameter other than self and cls, has no annotation."""
    arguments = node.args
    parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    named = [parameter for parameter in parameters if parameter and parameter.arg not in {"self", "cls"}]
    return node.returns is None or any(parameter.annotation is None for parameter in named)


def undocumented(name: str, text: str) -> list[str]:
    """Modules, and the public classes and functions of the library and the reports, have docstrings."""
    shown = name.startswith(("steering_core/", "reports/", "parity/")) and not {"tests", "meta"} & set(Path(name).parts)
    if not shown or not text:
        return []
    tree = ast.parse(text)
    public = [node for node in tree.body if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_")]
    silent = [node.name for node in public if not ast.get_docstring(node)]
    module = [] if ast.get_docstring(tree) else ["(module)"]
    return [f"{name} {definition} has no docstring" for definition in module + silent]


def vague_name(name: str, text: str) -> list[str]:
    """A file is named after its contents."""
    return (
        [f"{name} does not name its contents"]
        if Path(name).stem in {"utils", "helpers", "common", "misc", "util"}
        else []
    )


RULES: tuple[Callable[[str, str], list[str]], ...] = (
    long_file,
    long_functions,
    bare_functions,
    undocumented,
    vague_name,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_file_breaks_the_rule(rule: Callable[[str, str], list[str]]) -> None:
    assert [violation for name, text in FILES.items() for violation in rule(name, text)] == []


def test_the_root_conftest_only_names_the_plugins() -> None:
    assert len(FILES["conftest.py"].splitlines()) <= 20
    assert not list(functions(FILES["conftest.py"]))


BODY = "    pass\n"
PLANTED = {
    "long_file": ("steering_core/x.py", '"""x"""\n' + "a = 1\n" * 250),
    "long_functions": ("parity/x.py", '"""x"""\ndef _f():\n' + BODY * 40),
    "bare_functions": ("reports/x.py", '"""x"""\ndef _f(a: int, *, b) -> None:\n' + BODY),
    "undocumented": ("steering_core/x.py", '"""x"""\ndef f() -> None:\n' + BODY),
    "vague_name": ("steering_core/utils.py", '"""x"""\n'),
}


@pytest.mark.parametrize("rule", PLANTED)
def test_a_planted_violation_is_caught_by_its_rule_alone(rule: str) -> None:
    violations = {check.__name__: check(*PLANTED[rule]) for check in RULES}

    assert [name for name, broken in violations.items() if broken] == [rule]


BARE = ["def f(self, a): ...", "def f(a) -> int: ...", "def f(*a) -> int: ...", "def f(**a) -> int: ..."]
BARE += ["class A:\n    def f(self):\n        ...", "def f() -> int:\n    def g(a): ..."]


@pytest.mark.parametrize("text", BARE)
def test_every_kind_of_missing_annotation_is_reported(text: str) -> None:
    assert bare_functions("steering_core/x.py", text)
    assert not bare_functions("steering_core/x.py", "class A:\n    def f(self, a: int, *b: int, **c: int) -> int: ...")
