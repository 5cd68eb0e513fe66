"""What this process is busy with for long, such as loading weights: told by the code that does it, shown by the reports."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


@dataclass(eq=False)
class Activity:
    """name: `loading qwen7b`. total: bytes, 0 if unknown. done: bytes so far. measure: finds them out instead."""

    name: str
    total: int = 0
    done: int = 0
    measure: Callable[[], int] | None = None

    def __str__(self) -> str:
        """`loading qwen7b: 4.2 of 15.2 GB (28 %)`."""
        if not self.total:
            return self.name
        done = min(self.measure() if self.measure else self.done, self.total)
        size, unit = next((pair for pair in UNITS if self.total >= pair[0]), (1, "bytes"))
        return f"{self.name}: {done / size:.1f} of {self.total / size:.1f} {unit} ({100 * done // self.total:.0f} %)"


UNDER_WAY: list[Activity] = []
"""What is being done now, the innermost last."""


@contextmanager
def activity(name: str, total: int = 0, measure: Callable[[], int] | None = None) -> Iterator[Activity]:
    """Meanwhile the process is busy with this."""
    current = Activity(name, total, measure=measure)
    UNDER_WAY.append(current)
    try:
        yield current
    finally:
        UNDER_WAY.remove(current)


def under_way() -> str:
    """What the process is busy with; "" for nothing that was told."""
    return str(UNDER_WAY[-1]) if UNDER_WAY else ""
