"""Where each selected model's weights are, found before anything runs: one clear line when they are not there."""

import json
from pathlib import Path
from typing import Any

from parity.matrix import ROOT, Matrix
from steering_core.errors import LoadProblem, UsageProblem
from steering_core.specs import ModelSpec


def check_sources(matrix: Matrix, options: Any) -> None:
    """UsageProblem or LoadProblem for the first thing that is missing: CUDA, then weights."""
    if options.collectonly:
        return
    lacking = [] if not options.gpu or has_cuda() else ["no CUDA device for --gpu"]
    if not options.random_weights:
        lacking += [reason for key in matrix.selected if (reason := missing_weights(matrix, key))]
    if lacking:
        raise UsageProblem(
            "missing",
            "; ".join(lacking),
            "give --model-path KEY=DIR or --random-weights for weights, run on a CUDA machine for --gpu",
        )


def has_cuda() -> bool:
    """Whether torch sees a GPU; torch is imported only when --gpu asks for one."""
    import torch

    return torch.cuda.is_available()


def source_of(matrix: Matrix, key: str) -> str:
    """A directory if there is one, else the hub id."""
    if key in matrix.sources:
        return matrix.sources[key]
    local = ROOT / matrix.registry[key].source
    return str(local) if local.is_dir() else matrix.registry[key].source


def missing_weights(matrix: Matrix, key: str) -> str | None:
    """None, or why the weights of a model cannot be used."""
    source = source_of(matrix, key)
    folder = Path(source)
    if folder.is_dir():
        check_folder(matrix.registry[key], folder)
        return None
    return (
        None
        if in_hub_cache(matrix.registry[key])
        else f"no weights of {key} ({source}) in the local Hugging Face cache"
    )


def in_hub_cache(spec: ModelSpec) -> bool:
    """Whether the hub's cache on this machine holds the config of a model at the asked revision."""
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(spec.source, "config.json", revision=spec.revision), str)


def check_folder(spec: ModelSpec, folder: Path) -> None:
    """LoadProblem when a checkpoint directory lacks a file, or a safetensors file is shorter than its header says."""
    for name in ("config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise LoadProblem(
                "checkpoint", f"{spec.key}: {folder} has no {name}", "a complete Hugging Face directory is expected"
            )
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise LoadProblem(
            "checkpoint", f"{spec.key}: {folder} has no safetensors file", "pickled weights are never read"
        )
    for file in files:
        if (problem := torn(file)) is not None:
            raise LoadProblem(
                "checkpoint", f"{spec.key}: {file.name} {problem}", "download or build the checkpoint again"
            )


def torn(file: Path) -> str | None:
    """None, or what is wrong with a safetensors file's header or length; reads the header only."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > size:
            return "is not a safetensors file"
        try:
            header = json.loads(stream.read(length))
            end = max((row["data_offsets"][1] for name, row in header.items() if name != "__metadata__"), default=0)
        except (ValueError, KeyError, TypeError, AttributeError):
            return "has a header that does not read"
    return None if size == 8 + length + end else f"is {size} bytes long, its header says {8 + length + end}"
