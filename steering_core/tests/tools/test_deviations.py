"""Known deviations: which cells, versions and classes a row is about."""

import tomllib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from steering_core.errors import UsageProblem
from steering_core.models.architectures import ARCHITECTURES
from steering_core.places import IMPORTS
from steering_core.records.record import Cell
from steering_core.tools.deviations import Deviation, known_deviation, read_deviations
from steering_core.tools.tool import ToolVersion

ROW = Deviation(clause="B1", versions=">=1,<2", reason="r", arm="native", tool_class="Mine")
CELL = Cell(clause="B1", model="m", tool="t", arm="native", repeat=1)
SHIPPED = sorted((IMPORTS / "steering_core" / "tools").rglob("*.toml"))


@pytest.mark.parametrize(
    ("changes", "version", "tool_class", "covered"),
    [
        ({}, "1.5", "Mine", True),
        ({"repeat": 0}, "1.5", "Mine", True),
        ({"arm": "reference"}, "1.5", "Mine", False),
        ({"variant": "hooks"}, "1.5", "Mine", False),
        ({"clause": "B2"}, "1.5", "Mine", False),
        ({}, "2.0", "Mine", False),
        ({}, "no version", "Mine", False),
        ({}, "1.5", "Other", False),
    ],
)
def test_a_row_is_about_one_clause_variant_arm_version_and_class(
    changes: dict[str, object], version: str, tool_class: str, covered: bool
) -> None:
    assert ROW.covers(CELL.model_copy(update=changes), version, tool_class) is covered


@pytest.mark.parametrize(
    ("row", "dtype", "family", "occurs"),
    [
        ({}, "float32", "qwen2", True),
        ({"dtype": "bfloat16"}, "bfloat16", "qwen2", True),
        ({"dtype": "bfloat16"}, "float32", "qwen2", False),
        ({"families": ("gemma2", "gpt2")}, "float32", "gpt2", True),
        ({"families": ("gemma2", "gpt2")}, "float32", "qwen2", False),
    ],
)
def test_a_row_may_be_about_one_dtype_or_some_families(row: Any, dtype: str, family: str, occurs: bool) -> None:
    model = SimpleNamespace(dtype=f"torch.{dtype}", spec=SimpleNamespace(family=family))

    assert replace(ROW, **row).occurs_on(model) is occurs
    found = known_deviation([cast("Any", Mine(replace(ROW, **row)))], CELL, model)
    assert (found is not None) is occurs


def test_a_row_without_arm_and_class_is_about_all_of_them() -> None:
    row = Deviation(clause="B1", versions=">=1", reason="r")

    assert row.covers(CELL, "1.5", "Anything")


class Mine:
    """A tool that brings its rows along, as one in another process does."""

    def __init__(self, *rows: Deviation, version: str = "1.5") -> None:
        self.deviations, self._version = rows, version

    def version(self) -> ToolVersion:
        """The given one."""
        return ToolVersion("mine", self._version, "somewhere")


def test_the_known_deviation_of_a_cell_is_the_first_row_about_it() -> None:
    other, later = replace(ROW, clause="B2"), replace(ROW, reason="a later row")
    tool: Any = Mine(other, ROW, later)

    assert known_deviation([tool], CELL) is ROW
    assert known_deviation([tool], CELL.model_copy(update={"clause": "B2"})) is other
    assert known_deviation([tool], CELL.model_copy(update={"clause": "B3"})) is None
    assert known_deviation([cast("Any", Mine(other)), tool], CELL) is ROW, "every tool's rows count"
    assert known_deviation([cast("Any", Mine(ROW, version="2.0"))], CELL) is None
    assert known_deviation([], CELL) is None


def test_rows_are_read_from_the_file_beside_the_tool(tmp_path: Path) -> None:
    (file := tmp_path / "mine.py").write_text("")
    assert read_deviations(file) == ()

    file.with_suffix(".toml").write_text(
        '[[deviation]]\nclass = "Mine"\nclause = "B1"\narm = "native"\nversions = ">=1,<2"\nreason = "r"\n'
        'fault = "library"\nfamilies = ["gpt2"]\n'
    )
    assert read_deviations(file) == (replace(ROW, fault="library", families=("gpt2",)),)


@pytest.mark.parametrize(("release", "applies"), [("4.49.0", True), ("4.51.3", True), ("4.52.0", False), ("", False)])
def test_a_row_may_be_about_some_releases_of_transformers(release: str, applies: bool) -> None:
    assert replace(ROW, transformers="<4.52").occurs_under(release) is applies
    assert ROW.occurs_under(release)


@pytest.mark.parametrize(("transformers", "applies"), [("<4.52", False), (">=5.17", True)])
def test_only_rows_of_the_installed_transformers_are_read(transformers: str, applies: bool, tmp_path: Path) -> None:
    row = f"[[deviation]]\nclause = 'P9'\nversions = '>=1'\nreason = 'r'\ntransformers = '{transformers}'"
    (tmp_path / "mine.toml").write_text(row)

    assert bool(read_deviations(tmp_path / "mine.py")) is applies


@pytest.mark.parametrize(
    "text",
    [
        *("deviation = 3", "[[deviation]]\nclause = 'P9'", "x", "[other]", "[[deviation]]\nz=1"),
        "[[deviation]]\nclause = 'P9'\nversions = '>=1'\nreason = 'r'\nfault = 'mine'",
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.toml").write_text(text)

    with pytest.raises(UsageProblem, match="mine.toml cannot be read"):
        read_deviations(tmp_path / "mine.py")


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_shipped_rows_are_about_known_families(file: Path) -> None:
    """A row about a family that no model has would never apply, and nothing else would say so."""
    rows = tomllib.loads(file.read_text("utf-8"))["deviation"]

    assert {family for row in rows for family in row.get("families", ())} <= set(ARCHITECTURES)
