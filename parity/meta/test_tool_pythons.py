"""Which interpreter a tool lives in, from the command line and from `tools.toml`."""

import sys
from pathlib import Path

import pytest

from parity.meta.command_line import options
from parity.plugin.request.tools import tool_names, tool_pythons
from steering_core.errors import UsageProblem

MINE = "steering_core/tools/adapters/hooks.py:Hooks"


def test_a_path_alone_is_for_every_added_tool_and_a_name_for_one() -> None:
    assert tool_pythons(options()) == {}
    assert tool_pythons(options(tool=[MINE], tool_python=[sys.executable])) == {"Hooks": sys.executable}
    assert tool_pythons(options(tool=[MINE], tool_python=[f"pyvene={sys.executable}"])) == {"pyvene": sys.executable}


def test_no_run_has_two_releases_of_nnsight_because_they_have_one_name() -> None:
    old, older = (f"steering_core/tools/third_party/nnsight_0_{release}.py:nnsight" for release in (7, 3))

    assert tool_names(options(tools="hooks", tool=[older])) == ("hooks", older)
    for tools, added in (("hooks,nnsight", [older]), ("", [old]), ("hooks", [old, older])):
        with pytest.raises(UsageProblem, match=r"empty or repeated tool name in .*:nnsight"):
            tool_names(options(tools=tools, tool=added))


def test_rows_of_the_file_are_for_compared_tools_and_the_command_line_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tools.toml").write_text(f'[tool.hooks]\npython = "{sys.executable}"\n[tool.other]\npython = "no"\n')

    assert tool_pythons(options()) == {"hooks": sys.executable}
    assert tool_pythons(options(tool_python=["hooks=sh"])) == {"hooks": "sh"}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"tool_python": ["python3"]}, "no tool is given with --tool"),
        ({"tool_python": ["mine=python3"]}, "no tool mine"),
        (
            {"tool": [MINE], "tool_python": ["/no/such/python"]},
            "/no/such/python, the Python of Hooks, is not a program",
        ),
        ({"tool": [MINE], "tool_python": [sys.executable], "random_weights": True}, "random weights differ"),
    ],
)
def test_what_cannot_be_is_one_line(changed: dict[str, object], words: str) -> None:
    with pytest.raises(UsageProblem, match=words):
        tool_pythons(options(**changed))


@pytest.mark.parametrize(
    "text", ["[", "a = 1", "[tool]\nhooks = 3", "[tool.hooks]\nspec = 1", "[tool.hooks]\npython = 3"]
)
def test_a_file_that_cannot_be_read_is_one_line(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tools.toml").write_text(text)

    with pytest.raises(UsageProblem, match="tools.toml"):
        tool_pythons(options())
