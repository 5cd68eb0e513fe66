"""Small defects in a source file, one at a time: an operator, a constant, a returned value, two arguments in the wrong
order. Types, decorators, texts and the arguments of raised errors are left alone."""

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    **{ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt},
    **{ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And},
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult},
    **{ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.USub: ast.UAdd},
}
LEFT_ALONE = ("annotation", "returns", "decorator_list", "type_params")
"""Fields of a syntax tree that say what something is, not what it does."""
EQUIVALENTS = Path(__file__).with_name("equivalent_mutants.toml")


@dataclass(frozen=True)
class Mutant:
    """The `number`-th change of a file. place: `file:line`. change: the code before and after. line: that of the file."""

    file: str
    number: int
    place: str
    change: str
    line: str = ""


def mutants_of(file: str, text: str) -> list[Mutant]:
    """Every mutant of a file, in the order of its syntax tree; `f(a, a)` with its arguments exchanged is none."""
    lines, found = text.splitlines(), list(_changes(ast.parse(text)))
    described = (_described(file, lines, number, *change) for number, change in enumerate(found))
    return [mutant for mutant in described if not _is_idle(mutant)]


def read_equivalents(file: Path = EQUIVALENTS) -> dict[tuple[str, str, str], str]:
    """(file, line, change) of the mutants that change nothing that anybody can see -> why."""
    rows = tomllib.loads(file.read_text(encoding="utf-8"))["mutant"]
    return {(row["file"], row["line"], row["change"]): row["why"] for row in rows}


def mutated(text: str, number: int) -> str:
    """The file with its `number`-th change made."""
    tree = ast.parse(text)
    node, field, value = list(_changes(tree))[number]
    setattr(node, field, value)
    return ast.unparse(tree)


def _is_idle(mutant: Mutant) -> bool:
    half = len(mutant.change) - len(" -> ")
    return half % 2 == 0 and mutant.change[: half // 2] == mutant.change[-(half // 2) :]


def _described(file: str, lines: list[str], number: int, node: Any, field: str, value: Any) -> Mutant:
    """The change is made in the tree, and taken back."""
    before, kept = ast.unparse(node), getattr(node, field)
    setattr(node, field, value)
    change = f"{before} -> {ast.unparse(node)}"
    setattr(node, field, kept)
    return Mutant(file, number, f"{file}:{node.lineno}", change, lines[node.lineno - 1].strip())


def _changes(node: ast.AST) -> Iterator[tuple[Any, str, Any]]:
    """Each node that can be changed, with the field to change and its new value."""
    if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr):
        return
    yield from ((node, *change) for change in _of_node(node))
    for name, value in ast.iter_fields(node):
        children = value if isinstance(value, list) else [value]
        for child in children if name not in LEFT_ALONE else []:
            if isinstance(child, ast.AST):
                yield from _changes(child)


def _of_node(node: Any) -> Iterator[tuple[str, Any]]:
    match node:
        case ast.Compare(ops=[first, *rest]) if type(first) in OPERATORS:
            yield "ops", [OPERATORS[type(first)](), *rest]
        case ast.BinOp(op=op) | ast.BoolOp(op=op) | ast.UnaryOp(op=op) if type(op) in OPERATORS:
            yield "op", OPERATORS[type(op)]()
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "operand", ast.UnaryOp(ast.Not(), operand)
        case ast.Constant(value=bool() as value):
            yield "value", not value
        case ast.Constant(value=int() | float() as value):
            yield "value", value + 1
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield "value", ast.Constant(None)
        case ast.Call(args=[first, second, *rest]) if not {type(first), type(second)} & {ast.Starred}:
            yield "args", [second, first, *rest]
