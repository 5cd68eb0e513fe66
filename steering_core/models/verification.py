"""Whether loaded weights are known to be those of the model that a record names."""

import json
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from steering_core.models.hub import cached_folder
from steering_core.models.registry import ModelSpec
from steering_core.places import FIXTURES, ROOT
from steering_core.records.provenance import RANDOM_ORIGIN, weights_digest

CHECKPOINTS = FIXTURES / "checkpoints"


@cache
def are_verified(spec: ModelSpec, origin: str) -> bool | Literal["random"]:
    """True for a checkpoint of this project as its manifest says, and for the hub's registered revision, wherever a
    copy lies; "random" for random weights; False for any other directory.

    origin: the directory or hub id that the weights were read from, or `RANDOM_ORIGIN`.
    """
    if origin == RANDOM_ORIGIN:
        return "random"
    folder = ROOT / origin
    if (ROOT / spec.source).parent == CHECKPOINTS:
        return _is_listed(folder, Path(spec.source).name)
    registered = cached_folder(spec.source, spec.revision)
    if registered is None:
        return False
    return origin == spec.source or folder.samefile(registered) or weights_digest(folder) == weights_digest(registered)


def _is_listed(folder: Path, name: str) -> bool:
    """Whether every weights file of the manifest's entry is in the folder, byte for byte."""
    files: dict[str, Any] = json.loads((CHECKPOINTS / "manifest.json").read_text()).get(name, {}).get("files", {})
    weights = {file: digest for file, digest in files.items() if file.endswith(".safetensors")}
    digests = {file: sha256((folder / file).read_bytes()).hexdigest() for file in weights if (folder / file).is_file()}
    return bool(weights) and digests == weights


def place_of_tokenizer(tokenizer: str, origin: str) -> str:
    """Where a tokenizer comes from, relative to the project if it lies there; empty means from `origin`, as the weights."""
    folder = Path(tokenizer)
    return (str(folder.relative_to(ROOT)) if folder.is_relative_to(ROOT) else tokenizer) if tokenizer else origin
