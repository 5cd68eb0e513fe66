"""What runs beside the caller in this process: threads, and child processes."""

import re
import threading
from pathlib import Path
from typing import Any

_NUMBER = re.compile(r"-\d+")
TASKS = Path("/proc/self/task")
LIBRARIES = {"multiprocessing.resource_tracker", "multiprocessing.forkserver", "torch/_inductor/"}
"""What the command of a child process holds that a library starts once for the whole process, and ends with it."""
MONITOR = "tqdm."
"""The module of a thread of which tqdm starts one for the whole process, with its first bar."""


def running() -> dict[str, Any]:
    """Kind and name -> identities of the threads and child processes of that name."""
    found: dict[str, list[int]] = {}
    for thread in threading.enumerate():
        if not type(thread).__module__.startswith(MONITOR):
            name = f"thread {_NUMBER.sub('', thread.name)}"
            found.setdefault(name, []).append(thread.ident or 0)
    for child in _children():
        found.setdefault(f"child process {_command(child, 'comm').strip()}", []).append(child)
    return {name: (*sorted(numbers),) for name, numbers in found.items()}


def _children() -> list[int]:
    """Children that were not waited for, ended or not; none where the system does not list them."""
    lists = (_read(place / "children") for place in TASKS.glob("*"))
    children = [int(number) for each in lists for number in each.split()]
    return [child for child in children if not any(name in _command(child, "cmdline") for name in LIBRARIES)]


def _command(child: int, part: str) -> str:
    return _read(Path(f"/proc/{child}/{part}"))


def _read(place: Path) -> str:
    try:
        return place.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # it has just ended
