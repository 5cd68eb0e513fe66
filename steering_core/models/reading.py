"""How much of a checkpoint has been read so far, counted in bytes as transformers takes one weight after another."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers.utils import logging

from steering_core.activity import Activity, activity

BAR = "Loading weights"
"""The description of transformers' progress bar over the weights of a model."""
HEADER = 8
"""Bytes at the start of a safetensors file: the length of the JSON text that follows."""


@contextmanager
def reading(name: str, folder: Path | None) -> Iterator[Activity]:
    """Meanwhile weights are loaded from a folder: `loading NAME: 4.2 of 15.2 GB (28 %)`."""
    sizes = weight_sizes(folder) if folder else {}
    with activity(f"loading {name}", sum(sizes.values())) as current:
        before = set_hook(counting(current, sizes))
        try:
            yield current
        finally:
            set_hook(before)


def weight_sizes(folder: Path) -> dict[str, int]:
    """Weight -> bytes, from the headers of a folder's safetensors files; {} for what cannot be read."""
    sizes: dict[str, int] = {}
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with file.open("rb") as stream:
                rows = json.loads(stream.read(int.from_bytes(stream.read(HEADER), "little")))
            spans = {key: row["data_offsets"] for key, row in rows.items() if key != "__metadata__"}
            sizes |= {key: end - start for key, (start, end) in spans.items()}
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError):
            return {}  # loading the file says what is wrong with it
    return sizes


def counting(current: Activity, sizes: Mapping[str, int]) -> Callable[..., Any]:
    """transformers' hook for progress bars: that over the weights is counted too, in the order in which they are read."""

    def hook(factory: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        bar = factory(*args, **kwargs)
        return counted(bar, current, sizes) if kwargs.get("desc") == BAR else bar

    return hook


def counted(rows: Iterable[tuple[str, Any]], current: Activity, sizes: Mapping[str, int]) -> Iterator[tuple[str, Any]]:
    """The same rows (weight, source). A weight that no file has by this name counts as an average one."""
    average = current.total // max(len(sizes), 1)
    for name, row in rows:
        yield name, row
        current.done += sizes.get(name, average)


def set_hook(hook: Any) -> Any:
    """Install a hook, and return the one before; releases of transformers before 5 have none."""
    return logging.set_tqdm_hook(hook) if hasattr(logging, "set_tqdm_hook") else None
