"""Did the tool's own library code produce the value? Counts the library's frames that run inside the model's forward.

A tool that only names its library, or uses it to look a module up and then reads with a hook of its own, runs none.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import getfile
from pathlib import Path
from types import FrameType
from typing import Any

from steering_core.tools.tool import Tool


@dataclass
class LibraryCalls:
    """frames: calls into the tool's machinery while the model was running its blocks."""

    frames: int = 0


def machinery(tool: Tool) -> tuple[str, ...]:
    """The folder of the library that a tool says it is; for a tool made of plain torch, the files of its classes."""
    version = tool.version()
    if version.distribution == "torch":
        own = [kind for kind in type(tool).__mro__ if kind.__module__ not in {"builtins", "typing"}]
        return tuple(dict.fromkeys(getfile(kind) for kind in own))
    location = Path(version.location)
    return (str(location.parent if location.name == "__init__.py" else location),)


@contextmanager
def counting(tool: Tool) -> Iterator[LibraryCalls]:
    """Count the machinery's calls from within the model while the context is open."""
    library_calls, where = LibraryCalls(), machinery(tool)

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(where) and _inside_model(frame):
            library_calls.frames += 1

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield library_calls
    finally:
        sys.setprofile(before)


def _inside_model(frame: FrameType | None) -> bool:
    """Whether a frame was called, however deeply, from torch's module call."""
    while frame is not None:
        if frame.f_code.co_name == "_call_impl" and frame.f_code.co_filename.endswith("module.py"):
            return True
        frame = frame.f_back
    return False
