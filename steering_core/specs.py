"""The registry of models and presets, as read from TOML: no torch, no transformers, nothing loaded."""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from steering_core.errors import UsageProblem


@dataclass(frozen=True)
class ModelSpec:
    """One row of the registry. Shapes are checked against the loaded config; a disagreement is an error.

    source: a directory (relative to the repository) or a hub id. layer: the tested block, 0-based; depth: the same
    as a fraction, resolved as int(depth * layers). multiplier: strength of the unit direction.
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
    tiny: bool = False
    max_new_tokens: int = 256
    memory_gb: float = 0.0
    priority: str = ""
    gpu_hour_usd: float = 1.10
    adapter: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if self.layer < 0:
            object.__setattr__(self, "layer", int(self.depth * self.layers))
        check_layer(self, self.layer)


@dataclass(frozen=True)
class Preset:
    """One of the protocol's settings (PROTOCOL §6). None means: as the model's registry row says."""

    name: str
    layer: int | None
    strength: float | None
    blocks: str
    max_new_tokens: int | None
    repeats: int
    seeds: tuple[int, ...]
    inherit_generation_defaults: bool
    source: str


@dataclass(frozen=True)
class Settings:
    """What one model is run with: the preset resolved against the registry row."""

    preset: str
    layer: int
    strength: float
    blocks: tuple[int, ...]
    max_new_tokens: int
    inherit_generation_defaults: bool


def check_layer(spec: ModelSpec, layer: int) -> None:
    """UsageProblem unless the block exists in the model."""
    if not 0 <= layer < spec.layers:
        raise UsageProblem(
            "layer-range", f"layer {layer} is out of range for {spec.key}", f"blocks are 0 to {spec.layers - 1}"
        )


def resolve(spec: ModelSpec, preset: Preset, layer: int | None = None, strength: float | None = None) -> Settings:
    """The settings of one model under one preset; `layer` and `strength` override both."""
    chosen = next(value for value in (layer, preset.layer, spec.layer) if value is not None)
    check_layer(spec, chosen)
    return Settings(
        preset=preset.name,
        layer=chosen,
        strength=next(value for value in (strength, preset.strength, spec.multiplier) if value is not None),
        blocks=tuple(range(chosen, spec.layers)) if preset.blocks == "from_layer_on" else (chosen,),
        max_new_tokens=preset.max_new_tokens or spec.max_new_tokens,
        inherit_generation_defaults=preset.inherit_generation_defaults,
    )


def read_registry(path: Path) -> dict[str, ModelSpec]:
    """models.toml -> {key: spec}; a row with an unknown or missing field is named."""
    return {key: _spec(key, row, path) for key, row in _tables(path).items()}


def read_presets(path: Path) -> dict[str, Preset]:
    """presets.toml -> {name: preset}."""
    return {name: _preset(name, row, path) for name, row in _tables(path).items()}


def pick(known: dict[str, Any], key: str, what: str) -> Any:
    """known[key]; UsageProblem listing the known keys."""
    if key not in known:
        raise UsageProblem(f"unknown-{what}", f"unknown {what} {key!r}", f"known: {', '.join(sorted(known))}")
    return known[key]


def _tables(path: Path) -> dict[str, dict[str, Any]]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageProblem(
            "registry", f"{path.name} cannot be read: {error}", "expected a TOML table per row"
        ) from None


def _spec(key: str, row: dict[str, Any], path: Path) -> ModelSpec:
    known = {field.name for field in fields(ModelSpec)} - {"key"}
    if unknown := set(row) - known:
        raise UsageProblem(
            "registry-field",
            f"{path.name} [{key}] has unknown field {min(unknown)!r}",
            f"known: {', '.join(sorted(known))}",
        )
    try:
        return ModelSpec(key=key, **row)
    except TypeError as error:
        raise UsageProblem("registry-row", f"{path.name} [{key}]: {error}", "see the other rows") from None


def _preset(name: str, row: dict[str, Any], path: Path) -> Preset:
    try:
        return Preset(
            name=name,
            layer=row.get("layer"),
            strength=row.get("strength"),
            blocks=row["blocks"],
            max_new_tokens=row.get("max_new_tokens"),
            repeats=row["repeats"],
            seeds=tuple(row["seeds"]),
            inherit_generation_defaults=row.get("inherit_generation_defaults", False),
            source=row["source"],
        )
    except KeyError as error:
        raise UsageProblem("preset-row", f"{path.name} [{name}] lacks {error}", "see the other rows") from None
