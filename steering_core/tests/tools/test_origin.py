"""What a record says about where a tool comes from."""

from hashlib import sha256
from pathlib import Path

import pytest

from steering_core.errors import UsageProblem
from steering_core.tools.origin import describe_tool
from steering_core.tools.spec import BUILT_IN, ToolSpec

SOURCE = """from steering_core import Hooks


class Mine(Hooks):
    name = "Mine"
"""


def described(text: str) -> dict[str, str]:
    spec = ToolSpec.parse(text)
    return describe_tool(spec, spec.construct())


def test_a_tool_of_a_file_has_path_and_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)

    entry = described("mine.py:Mine")

    assert (entry["file"], entry["sha256"]) == ("mine.py", sha256(SOURCE.encode()).hexdigest())
    assert entry["package"] == "not of an installed package"
    assert entry["distribution"] == "torch", "the library whose code runs inside the model"


def test_a_version_that_is_a_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SOURCE + '    def version(self): return "1.0"')
    with pytest.raises(UsageProblem, match=r"version\(\) of tool Mine returned a str"):
        described(f"{tmp_path / 'mine.py'}:Mine")


def test_a_change_of_the_file_changes_the_digest(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(SOURCE)
    before = described(f"{file}:Mine")["sha256"]
    file.write_text(SOURCE + "# changed")

    assert described(f"{file}:Mine")["sha256"] != before


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_tool_is_its_library(name: str) -> None:
    assert set(described(name)) == {"distribution", "version", "location"}


def test_a_tool_of_a_module_has_the_file_that_defines_it() -> None:
    entry = described("fixtures.faults.base:WrappedHooks")

    assert entry["file"].endswith("fixtures/faults/base.py")
    assert len(entry["sha256"]) == 64
