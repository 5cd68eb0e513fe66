"""Where a tool's own code comes from: not only the library behind it, but the file that defines its class."""

import inspect
from dataclasses import asdict, is_dataclass
from hashlib import sha256
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

from steering_core.errors import UsageProblem
from steering_core.tools.spec import ADAPTERS, ToolSpec
from steering_core.tools.tool import Tool

LOOSE = "not of an installed package"


def describe_tool(spec: ToolSpec, tool: Tool) -> dict[str, Any]:
    """What a record says about a tool: distribution, version and location of the library behind it.

    For a tool that is not built in, also `file` (as given on the command line, or where the class is defined), its
    `sha256`, and `package`: the installed distribution that the file belongs to, with its version.
    """
    told = tool.version()
    if not is_dataclass(told):
        sentence = f"version() of tool {spec.label} returned a {type(told).__name__}"
        raise UsageProblem("tool-protocol", sentence, "a ToolVersion(distribution, version, location) is expected")
    library = asdict(told)
    source = spec.file or Path(inspect.getsourcefile(type(tool)) or "")
    if source.resolve().parent == ADAPTERS.resolve() or not source.is_file():
        return library
    package = LOOSE if spec.file else _distribution_of(type(tool).__module__)
    return {**library, "file": str(source), "sha256": sha256(source.read_bytes()).hexdigest(), "package": package}


def _distribution_of(module: str) -> str:
    """`name version` of the distribution that installed a module."""
    names = packages_distributions().get(module.partition(".")[0], [])
    return ", ".join(f"{name} {version(name)}" for name in names) or LOOSE
