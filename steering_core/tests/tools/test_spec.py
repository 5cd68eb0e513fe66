"""Finding a tool: by name, by file, by module, by entry point; the error when there is none."""

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest

from steering_core.errors import ToolAbsent, UsageProblem
from steering_core.tools import spec as tool_spec
from steering_core.tools.spec import BUILT_IN, find_tool, known_tools

WHOLE = """
class Mine:
    name = "mine"
    def version(self): ...
    def supports(self, spec, site, action): ...
    def read(self, model, batch, sites): ...
    def generate(self, model, batch, edits, max_new_tokens): ...

class Half:
    def __init__(self):
        self.name = "half"
    def supports(self, spec, site, action): ...

class Reader:
    name = "reader"
    def version(self): ...
    def supports(self, spec, site, action): ...
    def read(self, model, batch, sites): ...

class Older(Mine):
    def supports(self, spec, site): ...

class Greedy(Mine):
    def __init__(self, size): ...

made = Mine()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my tool.py"
    path.write_text(WHOLE)
    return path


@pytest.mark.parametrize("name", list(BUILT_IN))
def test_the_suites_own_tools_answer_to_their_names(name: str) -> None:
    assert find_tool(name).name == name


def test_loads_a_class_from_a_file(file: Path) -> None:
    assert find_tool(f"{file}:Mine").name == "Mine", "a run calls it by its class"


def test_a_tool_may_only_read(file: Path) -> None:
    assert find_tool(f"{file}:Reader").name == "Reader"


def test_two_files_of_one_name_stay_apart(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / file.name
    other.parent.mkdir()
    other.write_text(WHOLE.replace('"mine"', '"other"'))
    assert [type(find_tool(f"{path}:Mine")).name for path in (file, other, file)] == ["mine", "other", "mine"]


def test_loads_a_class_from_a_module() -> None:
    assert find_tool("steering_core.tools.adapters.hooks:Hooks").name == "Hooks"


def test_loads_an_entry_point(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint("mine", f"{file}:Mine", tool_spec.GROUP), EntryPoint("hooks", f"{file}:Half", tool_spec.GROUP)]
    monkeypatch.setattr(tool_spec, "entry_points", lambda group: points)
    assert find_tool("mine").name == "mine"
    assert known_tools() == [*BUILT_IN, "mine"]
    assert find_tool("hooks").version().distribution == "torch", "an entry point does not replace a tool of the suite"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        UsageProblem, match=r"unknown tool 'hoks'.*known: hooks, nnsight, pyvene; or path/to/file\.py:Class"
    ):
        find_tool("hoks")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("Half", "lacks version, read and generate"),
        ("Older", r"supports of tool .*Older takes other arguments .*supports\(spec, site, action\) is needed"),
        ("Greedy", "cannot be constructed: TypeError"),
        ("made", "is not a class"),
        ("Nothing", "has no Nothing .*classes there: Mine, Half, Reader, Older, Greedy"),
        ("", "names no class"),
    ],
)
def test_says_what_a_loaded_class_lacks(file: Path, spec: str, words: str) -> None:
    with pytest.raises(UsageProblem, match=words):
        find_tool(f"{file}:{spec}")


def test_a_missing_file_and_a_missing_module_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="no file .*absent.py"):
        find_tool(f"{tmp_path}/absent.py:Mine")
    with pytest.raises(ToolAbsent, match="no module named 'no_such_package'.*provides 'no_such_package'"):
        find_tool("no_such_package.tools:Mine")


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ("import no_such_library", ToolAbsent, "no module named 'no_such_library'.*provides 'no_such_library'"),
        ("import repeng.nowhere", ToolAbsent, "no module named 'repeng'.*pip install 'repeng>=0.4,<0.5' 'numpy<2'$"),
        ("import beside", ToolAbsent, "no module named 'beside'.*lies beside the tool's file: set PYTHONPATH=/"),
        (
            "import numpy.nowhere",
            ToolAbsent,
            r"numpy [\d.]+ is installed and has no module 'numpy.nowhere' .*a different ver",
        ),
        ("from numpy import Nothing", ToolAbsent, r"numpy [\d.]+ is installed and fails: cannot import name 'Nothing'"),
        ("raise ImportError('a\\nb')", UsageProblem, r"cannot be imported: ImportError: a \(tool-import\)"),
        ("1 / 0", UsageProblem, "cannot be imported: ZeroDivisionError: division by zero"),
        ("class Mine", UsageProblem, "cannot be imported: SyntaxError"),
    ],
)
def test_a_file_that_cannot_be_imported_says_why(tmp_path: Path, source: str, error: type, words: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(source)
    (tmp_path / "beside.py").touch()
    with pytest.raises(error, match=words):
        find_tool(f"{path}:Mine")
    assert [name for name in sys.modules if name.startswith("steering_tool_broken")] == []


@pytest.mark.parametrize("library", ["nnsight", "pyvene"])
def test_a_library_that_is_not_installed_is_an_absent_tool(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, f"steering_core.tools.adapters.{library}", raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ToolAbsent, match=f"tool {library}: .*{library}.*pip install '{library}>=0"):
        find_tool(library)


def test_names_are_known_before_anything_is_imported() -> None:
    code = "import sys; from steering_core.tools.spec import known_tools; known_tools(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"torch", "transformers", "nnsight", "pyvene"} & set(loaded) == set()


def test_an_nnsight_with_another_interface_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    tool = find_tool("nnsight")
    monkeypatch.setattr("steering_core.tools.adapters.nnsight.nnsight", SimpleNamespace())

    with pytest.raises(ToolAbsent, match=r"nnsight [\d.]+ has no TransformersModel.*pip install 'nnsight>=0\.8\.1'"):
        tool.version()
