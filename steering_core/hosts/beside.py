"""Further processes of a tool: those among which work is shared out, and a new one for the last repeat."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from steering_core.hosts.hosted_tool import HostedTool
from steering_core.hosts.turn import Value
from steering_core.tools.tool import Tool


class Beside(Protocol):
    """Where a tool lives, and how work in several processes is done at the same time."""

    def beside(self, tool: Tool) -> list[HostedTool]:
        """The same tool in each of its further processes."""

    def at_once(self, works: Sequence[Callable[[], Value]]) -> list[Value]:
        """What several pieces of work return."""


class Alone:
    """No tool has a further process."""

    def beside(self, tool: Tool) -> list[HostedTool]:
        """None."""
        return []

    def at_once(self, works: Sequence[Callable[[], Value]]) -> list[Value]:
        """What several pieces of work return, one after the other."""
        return [work() for work in works]


@dataclass(frozen=True)
class FreshRepeat:
    """Five reads in one warm process say nothing about reproducibility: this repeat runs in a new one. attach: a tool's
    name in records -> the tool, made anew in a process that has run no tool."""

    repeat: int
    attach: Callable[[str], Tool]
