"""Every clause of the table has a check, and every check names a clause of the table."""

import ast
from collections.abc import Iterator
from pathlib import Path

from parity.plugin.cells import make_cell
from parity.plugin.harness import list_checks
from steering_core.places import ROOT
from steering_core.records.clauses import CLAUSES, Stage, clauses_page
from steering_core.records.defects import DEFECTS

PLACES = [
    path
    for folder in ("parity", "parity/sweeps", "parity/findings")
    for path in sorted((ROOT / folder).glob("test_*.py"))
]
CHECK_FILES = {path.name: path.read_text(encoding="utf-8") for path in PLACES}
WITHOUT_CLAUSE = {"test_benchmarks.py"}
"""Files that only measure."""


def checks(text: str) -> Iterator[tuple[ast.FunctionDef, list[str]]]:
    """Each test function of a file, with the clause ids that mark it."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node, [clause for mark in node.decorator_list if (clause := clause_of(mark))]


def clause_of(mark: ast.expr) -> str | None:
    """The id in `@pytest.mark.clause("P1")`, else None."""
    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.clause":
        return str(ast.literal_eval(mark.args[0]))
    return None


def complaints(files: dict[str, str], table: set[str]) -> list[str]:
    """Where the checks of some files and the ids of a table of clauses disagree."""
    problems: list[str] = []
    used: set[str] = set()
    for name, text in files.items():
        for check, clauses in checks(text):
            where = f"{name}::{check.name}"
            used |= set(clauses)
            if len(clauses) != 1:
                problems += [f"{where} has {len(clauses)} clauses"] * (name not in WITHOUT_CLAUSE)
            elif not (ast.get_docstring(check) or "").startswith(f"{clauses[0]}: "):
                problems.append(f"{where} does not start with {clauses[0]}")
    problems += [f"{clause} has no check" for clause in sorted(table - used)]
    return problems + [f"{clause} is not in the table" for clause in sorted(used - table)]


def test_checks_and_table_agree() -> None:
    audited = {clause.id for clause in CLAUSES.values() if clause.stage is Stage.EVIDENCE}
    assert complaints(CHECK_FILES, set(CLAUSES) - audited) == []


def test_the_files_without_clauses_exist() -> None:
    assert set(CHECK_FILES) > WITHOUT_CLAUSE


def test_each_kind_of_disagreement_is_reported() -> None:
    good = 'import pytest\n@pytest.mark.clause("P1")\ndef test_a(experiment):\n    """P1: words."""\n'
    broken = {
        "test_x.py": good.replace("P1: ", "P2: "),
        "test_y.py": good.replace('@pytest.mark.clause("P1")\n', ""),
        "test_z.py": good.replace("P1", "P9"),
        "test_benchmarks.py": good.replace('@pytest.mark.clause("P1")\n', ""),
    }

    assert complaints({"test_w.py": good}, {"P1"}) == []
    assert complaints(broken, {"P1", "P7"}) == [
        "test_x.py::test_a does not start with P1",
        "test_y.py::test_a has 0 clauses",
        "P7 has no check",
        "P9 is not in the table",
    ]


def test_no_clause_marker_is_outside_the_test_files_of_parity() -> None:
    """A check elsewhere would be collected without belonging to any stage."""
    others = [path for path in (ROOT / "parity").rglob("*.py") if path.name not in CHECK_FILES]

    assert [path.name for path in others if has_marks(path)] == []


def has_marks(path: Path) -> bool:
    """Whether any decorator in a file names a clause."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return any(clause_of(mark) for node in functions for mark in node.decorator_list)


def test_the_documented_table_has_the_names_and_rules_of_the_code() -> None:
    text = (ROOT / "docs" / "clauses.md").read_text(encoding="utf-8")

    assert text == clauses_page(), "write it again with: python -m reports clauses > docs/clauses.md"
    assert text.count("\n| ") == len(CLAUSES) + len(Stage)


def test_every_clause_has_a_defect_behind_it_that_can_be_looked_up() -> None:
    named = [clause for clause, text in DEFECTS.items() if "(http" not in text and not text.startswith("preventive: ")]

    assert list(DEFECTS) == list(CLAUSES)
    assert named == ["F1", "F4", "F7"], "seen in a work that is named without a thread"
    assert not [text for text in DEFECTS.values() if "|" in text or "\n" in text]


def test_no_two_checks_have_the_same_cell() -> None:
    """A record of one would be taken for the other's."""
    named = {"tool_name": "hooks", "pair": ("hooks", "pyvene")}
    asked = {"tool": "tool_name", "tools": "pair"}
    cells: dict[str, set[str]] = {}
    for check in list_checks():
        axes = {asked[name]: named[asked[name]] for name in asked.keys() & check.arguments}
        cell = make_cell(check.clause, {"model_key": "m", **axes, **check.params})
        cells.setdefault(cell.id, set()).add(check.function.__name__)

    assert {name: sorted(functions) for name, functions in cells.items() if len(functions) > 1} == {}
