"""Where a tool's library is, and which of its calls count: those from within the model's forward."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from steering_core.observe.liveness import count_library_calls, library_files
from steering_core.tools.tool import ToolVersion


class FakeTool:
    """A tool whose library lies at `location`."""

    def __init__(self, location: Path, distribution: str = "fake") -> None:
        self.found = ToolVersion(distribution, "1", str(location))

    def version(self) -> ToolVersion:
        """The library."""
        return self.found


def library(folder: Path) -> Any:
    """A library of one module, whose `touch` returns its argument."""
    file = folder / "fakelib.py"
    file.write_text("def touch(value):\n    return value\n")
    spec = importlib.util.spec_from_file_location("fakelib", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("file", "place"), [("lib/__init__.py", "lib"), ("lib.py", "lib.py"), ("lib/core.py", "lib/core.py")]
)
def test_a_package_is_its_folder_and_a_module_its_file(tmp_path: Path, file: str, place: str) -> None:
    tool: Any = FakeTool(tmp_path / file)

    assert library_files(tool) == (str(tmp_path / place),)


def test_a_tool_in_plain_torch_is_the_files_of_its_classes() -> None:
    tool: Any = FakeTool(Path("torch"), "torch")

    assert library_files(tool) == (__file__,)


class Calling(nn.Module):
    """Calls the library while it runs, through a function of this file."""

    def __init__(self, library: Any) -> None:
        super().__init__()
        self.library = library

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """The same tensor."""
        return self.library.touch(hidden)


def test_calls_count_inside_a_forward_and_not_outside(tmp_path: Path) -> None:
    fake, tool = library(tmp_path), FakeTool(tmp_path / "fakelib.py")
    silent: Any = FakeTool(tmp_path / "other.py")
    model, hidden = Calling(fake), torch.ones(2)
    counted: Any = tool

    assert count_library_calls(counted, lambda: [model(hidden), model(hidden)]) == 2
    assert count_library_calls(counted, lambda: fake.touch(hidden)) == 0
    assert count_library_calls(silent, lambda: model(hidden)) == 0
