"""Where each selected model's weights are, and whether they can be used; checked before anything runs.

Small files and headers are read; torch is imported only to look for the GPU of --gpu.
"""

import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from parity.plugin.request.machine import GIGA, check_machine
from parity.plugin.request.run_matrix import RunMatrix
from steering_core.errors import LoadProblem, UsageProblem
from steering_core.models.architectures import architecture_of
from steering_core.models.checkpoint import check_checkpoint, check_tokenizer, is_complete, weight_files
from steering_core.models.hub import SMALL, WEIGHTS, cached_folder, fetch
from steering_core.models.memory import checkpoint_bytes, weights_bytes
from steering_core.models.registry import ModelSpec
from steering_core.places import FIXTURES, ROOT

RANDOM_TOKENIZER = FIXTURES / "checkpoints" / "tiny_qwen2"
"""The tokenizer of random weights: every real model's vocabulary is larger."""


@dataclass(frozen=True)
class Origin:
    """What files are read from: a directory of this machine, or a repository of the hub at a revision."""

    name: str
    revision: str = "main"
    patterns: tuple[str, ...] = SMALL + WEIGHTS

    @property
    def local(self) -> Path | None:
        """The directory, if it is one; relative names start at the root of the project."""
        return folder if (folder := ROOT / self.name).is_dir() else None

    @property
    def folder(self) -> Path | None:
        """The directory, or where the hub's cache holds the repository, complete or not."""
        return self.local or cached_folder(self.name, self.revision, self.patterns)

    def is_here(self, spec: ModelSpec) -> bool:
        """Whether nothing has to be fetched; a directory is taken as it is."""
        if self.local:
            return True
        folder = self.folder
        return folder is not None and (self.patterns == SMALL or is_complete(spec, folder))


def check_sources(matrix: RunMatrix, options: Any) -> None:
    """UsageProblem or LoadProblem for what is missing: a family's table, CUDA, memory, weights, a tokenizer."""
    if options.collectonly:
        return
    for key in matrix.selected:
        architecture_of(matrix.registry[key].family)
    specs = [replace(matrix.registry[key], dtype=matrix.settings[key].dtype) for key in matrix.selected]
    missing = check_machine(specs, options)
    if not options.random_weights:
        missing += [reason for key in matrix.selected if (reason := absent(matrix, key, fetching=not missing))]
    if missing:
        hint = "give --model-path KEY=DIR or --random-weights for weights, run on a CUDA machine for --gpu"
        raise UsageProblem("missing", "; ".join(missing), hint)
    for key in matrix.selected:
        check_model(matrix, key, options.random_weights)


def check_model(matrix: RunMatrix, key: str, random_weights: bool) -> None:
    """LoadProblem unless every file that a model is loaded from is there, complete, and as its row says."""
    spec = matrix.registry[key]
    if random_weights:
        check_tokenizer(spec, RANDOM_TOKENIZER)
    else:
        check_checkpoint(spec, Path(source_of(matrix, key)), Path(tokenizer_of(spec)) if spec.tokenizer else None)


def absent(matrix: RunMatrix, key: str, fetching: bool) -> str | None:
    """None when a model's files are on this machine, or have now been fetched; otherwise the reason."""
    spec = matrix.registry[key]
    for origin in (weights_of(matrix, key), *([tokenizer_origin(spec)] if spec.tokenizer else [])):
        if origin.is_here(spec):
            continue
        if not fetching:
            return f"no weights of {key} ({origin.name}) in the local Hugging Face cache"
        try:
            fetch(key, origin.name, origin.revision, partial(print, file=sys.stderr), origin.patterns)
        except LoadProblem as problem:
            return f"{problem.sentence}: {problem.hint}"
    return None


def gigabytes(matrix: RunMatrix, options: Any) -> dict[str, float]:
    """What each selected model's weights take in memory: as many as its files have, else as many as its shape has."""
    return {key: _bytes(matrix, key, options) / GIGA for key in matrix.selected}


def _bytes(matrix: RunMatrix, key: str, options: Any) -> int:
    spec, dtype = matrix.registry[key], matrix.settings[key].dtype
    counted = 0
    if not (options.random_weights or options.quantize):
        with suppress(LoadProblem):  # only collected: the files need not be there
            counted = checkpoint_bytes(weight_files(spec, Path(source_of(matrix, key))), dtype)
    return counted or weights_bytes(spec, dtype, options.quantize)


def weights_of(matrix: RunMatrix, key: str) -> Origin:
    """Where a model's weights come from: --model-path, else its row."""
    spec = matrix.registry[key]
    return Origin(matrix.sources.get(key, spec.source), spec.revision)


def tokenizer_origin(spec: ModelSpec) -> Origin:
    """Where the tokenizer comes from, for a row that names another repository for it."""
    return Origin(spec.tokenizer, patterns=SMALL)


def source_of(matrix: RunMatrix, key: str) -> str:
    """The directory of a model's weights, in the project, on this machine or in the hub's cache; else the hub id."""
    origin = weights_of(matrix, key)
    return str(origin.folder or origin.name)


def tokenizer_of(spec: ModelSpec) -> str:
    """The same for its tokenizer; empty when it comes with the weights."""
    if not spec.tokenizer:
        return ""
    origin = tokenizer_origin(spec)
    return str(origin.folder or origin.name)
