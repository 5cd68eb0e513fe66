"""The registry of models and presets, as read from TOML: no torch, no transformers, nothing loaded."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from steering_core.directions import DEFAULT_METHOD, check_method
from steering_core.errors import UsageProblem
from steering_core.files import read_text

MOST_BLOCKS = 10_000
"""Of a model: lists of its blocks are built from the number, which a stranger's config states."""
DTYPES = ("float32", "bfloat16", "float16")
BLOCKS = ("from_layer_on", "single")
Value = TypeVar("Value")


@dataclass(frozen=True)
class ModelSpec:
    """One row of the registry. Shapes are checked against the loaded config; a disagreement is an error.

    source: a directory (relative to the repository) or a hub id. layer: the tested block, 0-based; depth: the same
    as a fraction, resolved as int(depth * layers); one of the two is given. multiplier: strength of the unit direction.
    default: measured when a run names no model. tuned: false for a base model, which refuses nothing, so that behavior
    is not planned for it. tuned_from: the key of the stage before, where that is a row too. tokenizer: where the
    tokenizer and chat template come from, if not from `source`.
    """

    key: str
    source: str
    family: str
    layers: int
    hidden: int
    mlp: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    tied: bool
    dtype: str
    multiplier: float
    layer: int = -1
    depth: float = 0.0
    revision: str = "main"
    tokenizer: str = ""
    tiny: bool = False
    default: bool = False
    tuned: bool = True
    tuned_from: str = ""
    max_new_tokens: int = 256
    memory_gb: float = 0.0
    gpu_hour_usd: float = 1.10

    def __post_init__(self) -> None:
        if self.layer < 0 and self.depth > 0:
            object.__setattr__(self, "layer", int(self.depth * self.layers))
        check_blocks(self.key, self.layers)
        check_layer(self, self.layer)
        check_strength(self.key, self.multiplier)
        if self.dtype not in DTYPES:
            raise UsageProblem("dtype", f"{self.key} has dtype {self.dtype!r}", f"known: {', '.join(DTYPES)}")


@dataclass(frozen=True)
class Preset:
    """One of the protocol's settings (PROTOCOL §6). None means: as in the model's registry row.

    blocks: "from_layer_on" steers every block from the tested one on, "single" the tested one only.
    method: how directions are extracted, the name of a file of `steering_core/directions/`. unique_prompts: how many
    distinct evaluation prompts a sweep asks; prompt_repeats: how often the plan asks each, which greedy decoding makes
    no new evidence. dtype: of weights and activations.
    """

    name: str
    blocks: str
    repeats: int
    seeds: tuple[int, ...]
    source: str
    layer: int | None = None
    strength: float | None = None
    max_new_tokens: int | None = None
    inherit_generation_defaults: bool = False
    method: str = DEFAULT_METHOD
    unique_prompts: int | None = None
    prompt_repeats: int = 1
    dtype: str | None = None

    def __post_init__(self) -> None:
        if self.dtype not in (None, *DTYPES):
            raise UsageProblem("dtype", f"preset {self.name} has dtype {self.dtype!r}", f"known: {', '.join(DTYPES)}")
        if self.blocks not in BLOCKS:
            sentence = f"preset {self.name} steers {self.blocks!r}"
            raise UsageProblem("preset-blocks", sentence, f"known: {', '.join(BLOCKS)}")
        object.__setattr__(self, "seeds", tuple(self.seeds))
        if not self.seeds or len(self.seeds) != self.repeats:
            sentence = f"preset {self.name} has {self.repeats} repeats and {len(self.seeds)} seeds"
            raise UsageProblem("preset-seeds", sentence, "as many of each")
        check_method(self.method)


@dataclass(frozen=True)
class Settings:
    """What one model is measured with: the preset resolved against the registry row."""

    preset: str
    layer: int
    strength: float
    blocks: tuple[int, ...]
    max_new_tokens: int
    inherit_generation_defaults: bool
    method: str
    unique_prompts: int | None = None
    prompt_repeats: int = 1
    dtype: str = ""


Row = TypeVar("Row", ModelSpec, Preset)


def check_blocks(key: str, layers: int) -> None:
    """UsageProblem for a number of blocks that no model has."""
    if layers > MOST_BLOCKS:
        shown = str(layers) if layers < 10**20 else "more than 10**20"
        raise UsageProblem("layers", f"{key} has {shown} blocks", f"at most {MOST_BLOCKS}")


def check_layer(spec: ModelSpec, layer: int) -> None:
    """UsageProblem unless the block exists in the model."""
    if not 0 <= layer < spec.layers:
        sentence = f"layer {layer} is out of range for {spec.key}"
        raise UsageProblem("layer-range", sentence, f"blocks are 0 to {spec.layers - 1}")


def check_strength(key: str, strength: float) -> None:
    """UsageProblem for a strength of 0, infinity or NaN."""
    if not math.isfinite(strength) or strength == 0:
        raise UsageProblem("multiplier", f"multiplier {strength} cannot steer {key}", "a finite number other than 0")


def resolve(
    spec: ModelSpec,
    preset: Preset,
    layer: int | None = None,
    strength: float | None = None,
    method: str | None = None,
    dtype: str | None = None,
) -> Settings:
    """The settings of one model under one preset; `layer`, `strength`, `method` and `dtype` override both."""
    layer = _first_given(layer, preset.layer, spec.layer)
    strength = _first_given(strength, preset.strength, spec.multiplier)
    method = _first_given(method, preset.method)
    check_layer(spec, layer)
    check_strength(spec.key, strength)
    check_method(method)
    blocks = tuple(range(layer, spec.layers)) if preset.blocks == "from_layer_on" else (layer,)
    new_tokens = preset.max_new_tokens or spec.max_new_tokens
    fixed = (preset.inherit_generation_defaults, method, preset.unique_prompts, preset.prompt_repeats)
    dtype = _first_given(dtype, preset.dtype, spec.dtype)
    return Settings(preset.name, layer, strength, blocks, new_tokens, *fixed, dtype)


def _first_given(*values: Value | None) -> Value:
    return next(value for value in values if value is not None)


def read_registry(path: Path) -> dict[str, ModelSpec]:
    """models.toml -> {key: spec}; UsageProblem names a row with an unknown or missing field."""
    return {key: _row(ModelSpec, "key", key, row, path) for key, row in _tables(path).items()}


def read_presets(path: Path) -> dict[str, Preset]:
    """presets.toml -> {name: preset}; UsageProblem as for the registry."""
    return {name: _row(Preset, "name", name, row, path) for name, row in _tables(path).items()}


def pick(known: Mapping[str, Value], key: str, what: str) -> Value:
    """known[key]; UsageProblem listing the known keys."""
    if key not in known:
        raise UsageProblem(f"unknown-{what}", f"unknown {what} {key!r}", f"known: {', '.join(sorted(known))}")
    return known[key]


def _tables(path: Path) -> dict[str, dict[str, Any]]:
    try:
        tables = tomllib.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        sentence = f"{path.name} cannot be read: {error}"
        raise UsageProblem("registry", sentence, "expected TOML, a table per row") from None
    for name, row in tables.items():
        if not isinstance(row, dict):
            raise UsageProblem("registry", f"{path.name}: {name} is not a table", "expected a table per row")
    return tables


def _row(kind: type[Row], title: str, name: str, row: dict[str, Any], path: Path) -> Row:
    """One table as a ModelSpec or Preset; `title` is the field that holds the table's name."""
    check_types(kind, row, f"{path.name} [{name}]")
    values: dict[str, Any] = {title: name, **row}
    return kind(**values)


def check_types(kind: type[Row], row: dict[str, Any], where: str) -> None:
    """UsageProblem for a field of another type; in a tool's process without pydantic the judging process has checked."""
    if find_spec("pydantic") is not None:
        from steering_core.records.registry_rows import check_row

        check_row(kind.__name__, row, where)
