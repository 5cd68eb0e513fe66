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
    """LoadProblem when a checkpoint directory lacks a file, or a file in it does not read; reads no weights."""
    for name in ("config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise LoadProblem(
                "checkpoint", f"{spec.key}: {folder} has no {name}", "a complete Hugging Face directory is expected"
            )
    _object(spec, folder / "config.json")
    files = {*folder.glob("*.safetensors"), *_shards(spec, folder)}
    if not files:
        raise LoadProblem(
            "checkpoint", f"{spec.key}: {folder} has no safetensors file", "pickled weights are never read"
        )
    for file in sorted(files):
        if (problem := torn(file)) is not None:
            raise LoadProblem(
                "checkpoint", f"{spec.key}: {file.name} {problem}", "download or build the checkpoint again"
            )


def _shards(spec: ModelSpec, folder: Path) -> set[Path]:
    """The files that the index of a checkpoint in several parts names."""
    index = folder / "model.safetensors.index.json"
    parts = _object(spec, index).get("weight_map") if index.is_file() else None
    return {folder / str(name) for name in parts.values()} if isinstance(parts, dict) else set()


def _object(spec: ModelSpec, file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise LoadProblem("checkpoint", f"{spec.key}: {file} does not read: {error}", "a JSON object") from None
    if not isinstance(value, dict):
        raise LoadProblem("checkpoint", f"{spec.key}: {file} does not hold an object", "a JSON object")
    return value


def torn(file: Path) -> str | None:
    """None, or what is wrong with a safetensors file's header or length; reads the header only."""
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > size:
                return "is not a safetensors file"
            header = json.loads(stream.read(length))
        ends = [row["data_offsets"][1] for name, row in header.items() if name != "__metadata__"]
        whole = 8 + length + max(ends, default=0)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return "has a header that does not read"
    return None if size == whole else f"is {size} bytes long, its header says {whole}"
