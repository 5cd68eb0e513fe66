"""Did the tool's own library produce the value? Counts its calls that run inside the model's forward.

A tool that only names its library, or uses it to look up a module and then reads with a plain hook, makes none.
"""

import sys
import threading
from collections.abc import Callable
from importlib.util import find_spec
from inspect import getfile
from pathlib import Path
from types import FrameType
from typing import Any

from steering_core.tools.tool import Tool


def library_files(tool: Tool) -> tuple[str, ...]:
    """The folder of the library that a tool declares, and of those that it is `built_on`, by module name; for a tool in
    plain torch, the files of its classes."""
    version = tool.version()
    if version.distribution == "torch":
        kinds = [kind for kind in type(tool).__mro__ if kind.__module__ not in {"builtins", "typing"}]
        return tuple(dict.fromkeys(map(getfile, kinds)))
    places = [version.location, *(find_spec(name).origin for name in getattr(tool, "built_on", ()))]  # type: ignore[union-attr]
    return tuple(str(place.parent if place.name == "__init__.py" else place) for place in map(Path, map(str, places)))


def count_library_calls(tool: Tool, action: Callable[[], object]) -> int:
    """Run the action; how many calls of functions in the tool's library came from within the model's forward."""
    calls, files = 0, library_files(tool)

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls
        if event == "call" and frame.f_code.co_filename.startswith(files) and _inside_model(frame):
            calls += 1

    before, in_threads = sys.getprofile(), threading.getprofile()
    sys.setprofile(profile)
    threading.setprofile(profile)  # for threads that the action starts: a tool may run the model in one
    try:
        action()
    finally:
        sys.setprofile(before)
        threading.setprofile(in_threads)
    return calls


def _inside_model(frame: FrameType | None) -> bool:
    """Whether a frame was called, however deeply, from torch's module call."""
    while frame is not None:
        if frame.f_code.co_name == "_call_impl" and frame.f_code.co_filename.endswith("module.py"):
            return True
        frame = frame.f_back
    return False
