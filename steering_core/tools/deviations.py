"""Known deviations: limitations of a tool even with correct use, in a TOML file beside the tool.

A known deviation is reported as one. It never counts as a pass, and its check fails when it no longer applies.
"""

import tomllib
from dataclasses import dataclass
from inspect import getfile
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from steering_core.errors import UsageProblem
from steering_core.tools.tool import Tool

ACTIONS = ("read", "generate")


@dataclass(frozen=True)
class Deviation:
    """A row of the file: clause and variant of the cell that fails, the affected versions, the reason, a reference.

    A variant that is measured for reading and for steering is declared for both ("hooks"), or for one ("read-hooks").
    """

    clause: str
    variant: str
    versions: str
    reason: str
    link: str = ""

    def covers(self, clause: str, variant: str | None, version: str) -> bool:
        """Whether the row is about this cell in this version of the tool."""
        try:
            affected = Version(version) in SpecifierSet(self.versions, prereleases=True)
        except InvalidVersion:
            affected = False
        action, _, rest = (variant or "").partition("-")
        either = action in ACTIONS and self.variant == rest
        return affected and self.clause == clause and (either or self.variant == (variant or ""))


def deviations_of(tool: Tool) -> tuple[Deviation, ...]:
    """The rows of `<tool's file>.toml`; empty if there is no such file."""
    path = Path(getfile(type(tool))).with_suffix(".toml")
    if not path.exists():
        return ()
    try:
        return tuple(Deviation(**row) for row in tomllib.loads(path.read_text(encoding="utf-8"))["deviation"])
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        hint = "[[deviation]] rows with clause, variant, versions and reason, as in pyvene.toml"
        raise UsageProblem("deviations", f"{path.name} cannot be read: {error}", hint) from None


def known_deviation(tool: Tool, clause: str, variant: str | None) -> Deviation | None:
    """The known deviation of a tool for a cell, if there is one."""
    version = tool.version().version
    rows = tool.deviations if hasattr(tool, "deviations") else deviations_of(tool)
    return next((row for row in rows if row.covers(clause, variant, version)), None)
