"""Known deviations: limitations of a tool even with correct use, in a TOML file beside the tool.

A known deviation is reported as one. It never counts as a pass, and its check fails when it no longer applies.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from inspect import getfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from steering_core.errors import UsageProblem
from steering_core.files import read_text
from steering_core.tools.tool import Tool

if TYPE_CHECKING:
    from steering_core.records.record import Cell


FAULTS = ("tool", "library", "environment")
"""Whose a deviation is: the tool's own, that of a library below it, or that of the releases installed together."""


@dataclass(frozen=True)
class Deviation:
    """A row of the file: clause, variant and arm of the cells that fail, the affected versions, the reason, a reference.

    An empty arm is every arm. tool_class: `class` in the file, the one that deviates; empty for all of the file's.
    fault: one of `FAULTS`. shows: words of the failure; one without them is another failure. dtype, families: of the
    models that show it; empty for all of them. transformers: its releases that show it, as `<4.52`; empty for all.
    """

    clause: str
    versions: str
    reason: str
    variant: str = ""
    arm: str = ""
    link: str = ""
    tool_class: str = ""
    fault: str = "tool"
    shows: str = ""
    dtype: str = ""
    families: tuple[str, ...] = ()
    transformers: str = ""

    def __post_init__(self) -> None:
        if self.fault not in FAULTS:
            raise ValueError(f"fault = {str(self.fault)[:40]!r} is none of {', '.join(FAULTS)}")
        object.__setattr__(self, "families", tuple(self.families))

    def covers(self, cell: "Cell", release: str, tool_class: str) -> bool:
        """Whether the row is about this cell, in this version of a tool of this class."""
        try:
            affected = Version(release) in SpecifierSet(self.versions, prereleases=True)
        except InvalidVersion:
            affected = False
        same_cell = (self.clause, self.variant) == (cell.clause, cell.variant or "")
        return affected and same_cell and self.arm in ("", cell.arm) and self.tool_class in ("", tool_class)

    def occurs_on(self, model: Any) -> bool:
        """Whether the row is about this `LoadedModel`; None is any."""
        if model is None:
            return True
        same_dtype = self.dtype in ("", str(model.dtype).removeprefix("torch."))
        return same_dtype and (not self.families or model.spec.family in self.families)

    def occurs_under(self, release: str) -> bool:
        """Whether the row is about this release of transformers; "" is none that is installed."""
        if not self.transformers:
            return True
        return bool(release) and Version(release) in SpecifierSet(self.transformers, prereleases=True)


def read_deviations(file: Path) -> tuple[Deviation, ...]:
    """The rows of the TOML file beside a tool's own file that apply to the transformers of this process; often none."""
    path = file.with_suffix(".toml")
    if not path.exists():
        return ()
    try:
        rows = tomllib.loads(read_text(path))["deviation"]
        deviations = [Deviation(**{_field(key): value for key, value in row.items()}) for row in rows]
        return tuple(row for row in deviations if row.occurs_under(_transformers()))
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        hint = "[[deviation]] rows with clause, variant, versions and reason, as in pyvene.toml"
        raise UsageProblem("deviations", f"{path.name} cannot be read: {error}", hint) from None


def _transformers() -> str:
    """The installed release, without importing it; "" if there is none."""
    try:
        return version("transformers")
    except PackageNotFoundError:
        return ""


def _field(key: str) -> str:
    return "tool_class" if key == "class" else key


def known_deviation(tools: Iterable[Tool], cell: "Cell", model: Any = None) -> Deviation | None:
    """The first known deviation of these tools that is about a cell, measured on a model, if there is one."""
    rows = (row for tool in tools for row in _deviations_of(tool, cell))
    return next((row for row in rows if row.occurs_on(model)), None)


def _deviations_of(tool: Tool, cell: "Cell") -> Iterable[Deviation]:
    kind = type(tool)
    # A tool that lives in another process brings its rows along.
    rows = tool.deviations if hasattr(tool, "deviations") else read_deviations(Path(getfile(kind)))
    name = getattr(tool, "class_path", kind.__qualname__).rpartition(":")[2]
    return [row for row in rows if row.clause == cell.clause and row.covers(cell, tool.version().version, name)]
