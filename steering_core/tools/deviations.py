"""Declared deviations: what a tool is known to break even when used right. One TOML file per tool, beside the tool.

A declared deviation is reported as what it is. It never turns into a pass, and it fails when it stops being true.
"""

import tomllib
from dataclasses import dataclass
from inspect import getfile
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from steering_core.errors import UsageProblem
from steering_core.tools.tool import Tool


@dataclass(frozen=True)
class Deviation:
    """clause and variant of the cell that cannot hold, the versions it is known for, why, and where it is told."""

    clause: str
    variant: str
    versions: str
    reason: str
    link: str = ""

    def covers(self, clause: str, variant: str | None, version: str) -> bool:
        """Whether this row speaks of the cell, for the installed version."""
        try:
            known = Version(version) in SpecifierSet(self.versions, prereleases=True)
        except InvalidVersion:
            known = False
        return known and self.clause == clause and self.variant == (variant or "")


def deviations_of(tool: Tool) -> tuple[Deviation, ...]:
    """The rows of `<tool's file>.toml`; none when there is no such file."""
    path = Path(getfile(type(tool))).with_suffix(".toml")
    if not path.exists():
        return ()
    try:
        return tuple(Deviation(**row) for row in tomllib.loads(path.read_text(encoding="utf-8"))["deviation"])
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise UsageProblem(
            "deviations", f"{path.name} does not read: {error}", "[[deviation]] rows, see pyvene.toml"
        ) from None


def declared(tool: Tool, clause: str, variant: str | None) -> Deviation | None:
    """The declared deviation of a tool for a cell, if there is one."""
    version = tool.version().version
    return next((row for row in deviations_of(tool) if row.covers(clause, variant, version)), None)
