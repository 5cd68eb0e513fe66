"""Further processes of a tool, among which work is shared out."""

from collections.abc import Callable, Sequence
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
