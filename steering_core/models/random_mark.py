"""The mark of a checkpoint of random weights: in its config and in every file of weights, so that one of them is enough.

No mark makes weights verified, so an unknown one changes nothing. Whoever trains such a checkpoint removes it from the
config; saving drops it from the weights.
"""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

RANDOM_SEED = 0
"""The seed of every random model of the suite."""
ORIGIN, SEED, RANDOM = "weights_origin", "weights_seed", "random"
"""Two keys of config.json and of a safetensors file's metadata, and the value of the first one."""


def random_mark() -> dict[str, str]:
    """The mark; metadata of a safetensors file holds texts only."""
    return {ORIGIN: RANDOM, SEED: str(RANDOM_SEED)}


def is_marked_random(folder: Path) -> bool:
    """Whether a checkpoint says that its weights are random. What cannot be read says nothing: the loader refuses it."""
    marks = (_config(folder), *map(_metadata, sorted(folder.glob("*.safetensors"))))
    return any(mark.get(ORIGIN) == RANDOM for mark in marks)


def _config(folder: Path) -> dict[str, Any]:
    try:
        value = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _metadata(file: Path) -> dict[str, str]:
    try:
        with safe_open(file, framework="numpy") as weights:
            return weights.metadata() or {}
    except (OSError, SafetensorError):
        return {}
