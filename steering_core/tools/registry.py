"""The tools under test, by name. Nothing is imported until a tool is asked for."""

import importlib
import importlib.util
import inspect
import sys
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from steering_core.errors import ToolAbsent, UsageProblem

if TYPE_CHECKING:
    from steering_core.tools.tool import Tool

TOOLS: dict[str, str] = {
    "hooks": "steering_core.tools.hooks:Hooks",
    "nnsight": "steering_core.tools.nnsight:Nnsight",
    "pyvene": "steering_core.tools.pyvene:Pyvene",
}
GROUP = "steering_parity.tools"
PARTS = ("name", "version", "supports", "read", "generate")


def find_tool(name_or_spec: str) -> "Tool":
    """A tool, ready for use: a name of TOOLS or of an entry point, `path/to/file.py:Class` or `package.module:Class`.

    ToolAbsent when its library is not installed or the name is unknown; UsageProblem when what was named is not a tool.
    """
    named = name_or_spec if ":" in name_or_spec else ""
    spec = TOOLS.get(name_or_spec) or named or _plugin(name_or_spec).value
    tool = _tool(_attribute(spec, name_or_spec), name_or_spec)
    if named:
        # A run calls a tool of a file by its class, whatever name the class gives itself; a tool whose name cannot be
        # set keeps its own in sentences, and records go by the class all the same.
        with suppress(AttributeError):
            tool.name = named.rpartition(":")[2]
    return tool


def known_tools() -> list[str]:
    """The names that `find_tool` accepts: the suite's own, then those of installed entry points."""
    return [*TOOLS, *sorted({point.name for point in entry_points(group=GROUP)} - set(TOOLS))]


def _plugin(name: str) -> EntryPoint:
    for point in entry_points(group=GROUP):
        if point.name == name:
            return point
    raise ToolAbsent(
        "unknown-tool", f"unknown tool {name!r}",
        f"known: {', '.join(known_tools())}; or path/to/file.py:Class, or package.module:Class",
    )  # fmt: skip


def _attribute(spec: str, called: str) -> Any:
    """What `module:Class` or `file.py:Class` names; `called` is the word that the user gave."""
    source, _, name = spec.rpartition(":")
    module = _module(source, called)
    if not hasattr(module, name):
        classes = [key for key, value in vars(module).items() if inspect.isclass(value) and not key.startswith("_")]
        raise UsageProblem(
            "tool-class", f"{source} has no {name or 'class name after the colon'}",
            f"classes there: {', '.join(classes) or 'none'}",
        )  # fmt: skip
    return getattr(module, name)


def _module(source: str, called: str) -> ModuleType:
    try:
        return _file_module(Path(source)) if source.endswith(".py") else importlib.import_module(source)
    except UsageProblem:
        raise
    except ModuleNotFoundError as error:
        raise ToolAbsent(
            "tool-absent",
            f"tool {called}: {error}",
            f"pip install {(error.name or '').partition('.')[0]}, if that is it",
        ) from error
    except Exception as error:  # whatever a module does wrong while it is imported, the reader needs its words
        raise UsageProblem(
            "tool-import", f"tool {called} cannot be imported: {type(error).__name__}: {error}",
            "a module that imports without an error is expected",
        ) from error  # fmt: skip


def _file_module(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageProblem("tool-file", f"no file {path}", "give path/to/file.py:Class")
    name = f"steering_tool_{path.stem}_{sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, path
    assert spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look their own module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _tool(made_by: Any, called: str) -> "Tool":
    """An instance, with every part that the suite calls."""
    if not inspect.isclass(made_by):
        raise UsageProblem("tool-class", f"tool {called} is not a class", "name a class with the Tool protocol")
    try:
        tool = made_by()
    except Exception as error:
        raise UsageProblem(
            "tool-construction", f"tool {called} cannot be made: {type(error).__name__}: {error}",
            "a tool is constructed without arguments",
        ) from error  # fmt: skip
    if lacking := [part for part in PARTS if not hasattr(tool, part)]:
        raise UsageProblem(
            "tool-protocol", f"tool {called} lacks {', '.join(lacking)}", f"a tool has {', '.join(PARTS)}"
        )
    return cast("Tool", tool)
