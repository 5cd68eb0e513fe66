"""Which tools a run compares, and which interpreter each of them lives in."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from shutil import which
from typing import Any

from steering_core.errors import UsageProblem
from steering_core.files import read_text
from steering_core.tools.spec import BUILT_IN, ToolSpec

REFERENCE = "reference"
"""In place of a tool's name: the suite's own generation."""
ROWS = "tools.toml"
"""In the current folder: [tool.NAME] tables, each with `python`, the interpreter of the tool that a run calls NAME."""


def tool_names(options: Any) -> tuple[str, ...]:
    """The compared tools, the built-in ones in registry order; the order breaks ties in the verdict."""
    names = tuple(name.strip() for name in options.tools.split(",")) if options.tools else BUILT_IN
    specs = [ToolSpec.parse(name) for name in (*names, *options.tool)]
    labels = [spec.label for spec in specs]
    if len(set(labels)) != len(labels) or not all(labels):
        named = ", ".join(spec.text for spec in specs)
        raise UsageProblem("tools", f"empty or repeated tool name in {named}", "name each tool once")
    for spec in specs:
        spec.check()
    return tuple(spec.text for spec in specs)


def sweep_tools(options: Any) -> tuple[str, ...]:
    """Who steers the conditions of sweeps: REFERENCE, or texts of compared tools."""
    texts = {ToolSpec.parse(text).label: text for text in tool_names(options)}
    names = [name.strip() for name in options.sweep_through.split(",")]
    if len(set(names)) != len(names) or (unknown := set(names) - {REFERENCE, *texts}):
        what = f"{min(unknown)!r} is not a tool of the run" if len(set(names)) == len(names) else "a name is repeated"
        known = f"known: {', '.join((REFERENCE, *texts))}; --tool adds one"
        raise UsageProblem("sweep-through", f"--sweep-through {options.sweep_through}: {what}", known)
    return tuple(name if name == REFERENCE else texts[name] for name in names)


def tool_pythons(options: Any) -> dict[str, str]:
    """{label of a tool: its interpreter}, from the rows of `tools.toml`, then from --tool-python: "NAME=PATH" for one
    tool, "PATH" for every tool of --tool."""
    labels = [ToolSpec.parse(name).label for name in tool_names(options)]
    found = {name: path for name, path in read_rows(Path(ROWS)).items() if name in labels}
    for text in options.tool_python:
        name, sign, path = text.rpartition("=")
        if sign and name not in labels:
            raise UsageProblem("tool-python", f"--tool-python {text}: no tool {name}", f"one of {', '.join(labels)}")
        if not sign and not options.tool:
            raise UsageProblem(
                "tool-python", f"--tool-python {text}: no tool is given with --tool", "NAME=PATH names a tool"
            )
        found |= dict.fromkeys([name] if sign else [ToolSpec.parse(tool).label for tool in options.tool], path)
    for name, path in found.items():
        if which(path) is None:
            sentence = f"{path}, the Python of {name}, is not a program"
            raise UsageProblem("tool-python", sentence, "the path of an interpreter")
    if found and options.random_weights:
        sentence = "random weights differ between releases of transformers, so --tool-python cannot be used with them"
        raise UsageProblem(
            "tool-python",
            sentence,
            "write a checkpoint with python -m fixtures.random_checkpoint, and give --model-path",
        )
    return found


def read_rows(path: Path) -> dict[str, str]:
    """{NAME: python} of the file; {} if there is none."""
    if not path.exists():
        return {}
    expected = '[tool.NAME] tables with python = "PATH"'
    try:
        tables: Mapping[str, Any] = tomllib.loads(read_text(path))["tool"]
        rows = {name: table["python"] for name, table in tables.items()}
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise UsageProblem("tools-file", f"{path} cannot be read: {type(error).__name__}: {error}", expected) from None
    if wrong := [name for name, python in rows.items() if not isinstance(python, str)]:
        raise UsageProblem("tools-file", f"{path}: python of {wrong[0]} is not a text", expected)
    return rows
