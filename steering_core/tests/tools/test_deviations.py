"""A known deviation covers one clause and variant in the affected versions, and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from steering_core.errors import UsageProblem
from steering_core.tools import deviations
from steering_core.tools.deviations import Deviation, deviations_of, known_deviation
from steering_core.tools.tool import ToolVersion

ROW = Deviation("P7", "generate", ">=0.1,<0.3", "it replaces the cache")


class Mine:
    """A tool of version 0.2."""

    def version(self) -> ToolVersion:
        """Its library."""
        return ToolVersion("mine", "0.2", "here")


TOOL: Any = Mine()


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file beside the tool, not written yet."""
    monkeypatch.setattr(deviations, "getfile", lambda kind: str(tmp_path / f"{kind.__name__.lower()}.py"))
    return tmp_path / "mine.toml"


@pytest.mark.parametrize(
    ("clause", "variant", "version", "covered"),
    [
        ("P7", "generate", "0.1", True),
        ("P7", "generate", "0.2.9", True),
        ("P7", "generate", "0.2rc1", True),
        ("P7", "generate", "0.3", False),
        ("P7", "generate", "0.0.9", False),
        ("P7", "generate", "a local build", False),
        ("P8", "generate", "0.2", False),
        ("P7", "read", "0.2", False),
        ("P7", None, "0.2", False),
    ],
)
def test_clause_variant_and_version_must_all_be_those_of_the_row(
    clause: str, variant: str | None, version: str, covered: bool
) -> None:
    assert ROW.covers(clause, variant, version) is covered


def test_a_row_without_variant_covers_the_cell_without_one() -> None:
    row = Deviation("P7", "", ">=0", "always")

    assert (row.covers("P7", None, "1"), row.covers("P7", "read", "1")) == (True, False)


GOOD = '[[deviation]]\nclause = "P7"\nvariant = ""\nversions = "{versions}"\nreason = "why"\n'


def test_the_first_row_that_covers_the_cell_is_named(rows: Path) -> None:
    rows.write_text(GOOD.format(versions="<0.2") + GOOD.format(versions="==0.2"))

    assert known_deviation(TOOL, "P7", None) == Deviation("P7", "", "==0.2", "why")
    assert known_deviation(TOOL, "P8", None) is None


def test_a_tool_without_a_file_has_none(rows: Path) -> None:
    assert deviations_of(TOOL) == ()


@pytest.mark.parametrize("text", ["[", "a = 1", '[[deviation]]\nclause = "P7"\n'])
def test_a_broken_file_is_named(rows: Path, text: str) -> None:
    rows.write_text(text)

    with pytest.raises(UsageProblem, match=r"mine\.toml cannot be read"):
        deviations_of(TOOL)
