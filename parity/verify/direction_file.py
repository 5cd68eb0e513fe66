"""A saved direction: one vector in a .npy or .safetensors file, read without unpickling anything."""

from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from steering_core.errors import UsageProblem, first_line
from steering_core.files import read_bytes

ACCEPTED = "one vector [hidden] of numbers, as .npy (no pickled objects) or .safetensors"


def read_direction(path: Path, key: str = "") -> Tensor:
    """float64 [hidden]; axes of length 1 are dropped. key: which tensor of a .safetensors file that holds several.

    UsageProblem for a file that cannot be read, holds something else, or is zero or not finite.
    """
    try:
        tensor = _one_of(path, key) if path.suffix == ".safetensors" else _array(path)
    except (OSError, ValueError, EOFError, SafetensorError) as error:
        sentence = f"{path} cannot be read: {first_line(error)}"
        raise UsageProblem("direction-file", sentence, f"expected {ACCEPTED}") from None
    vector = tensor.squeeze().double()
    if vector.ndim != 1 or len(vector) < 2:
        hint = f"expected {ACCEPTED}; of several directions, save the one of the layer"
        raise UsageProblem("direction-shape", f"{path} has shape {list(tensor.shape)}", hint)
    if not bool(vector.isfinite().all()) or not bool(vector.any()):
        raise UsageProblem("direction-values", f"{path} is zero, or not finite", f"expected {ACCEPTED}")
    return vector


def _array(path: Path) -> Tensor:
    if path.suffix != ".npy":
        raise ValueError(f"unknown suffix {path.suffix!r}")
    read_bytes(path)  # refuses what is no regular file, or too large
    array = np.load(path, allow_pickle=False)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"it holds {array.dtype}, not numbers")
    return torch.from_numpy(array.astype(np.float64))


def _one_of(path: Path, key: str) -> Tensor:
    tensors = load(read_bytes(path))
    if not key and len(tensors) == 1:
        return next(iter(tensors.values()))
    if key not in tensors:
        names = ", ".join(sorted(tensors)[:20])
        raise ValueError(
            f"it has no tensor {key!r}: --key names one of {names}" if key else f"--key names one of {names}"
        )
    return tensors[key]
