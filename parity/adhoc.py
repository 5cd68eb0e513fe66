"""`--model DIR_OR_ID`: a registry row made on the spot from a checkpoint's config.json."""

import json
import re
from pathlib import Path
from typing import Any

from steering_core.errors import UsageProblem
from steering_core.specs import ModelSpec

NAMES = {
    "layers": ("num_hidden_layers", "n_layer"),
    "hidden": ("hidden_size", "n_embd"),
    "heads": ("num_attention_heads", "n_head"),
    "vocab": ("vocab_size",),
}


def adhoc_models(sources: list[str], options: Any) -> dict[str, ModelSpec]:
    """One row per --model; --layer and --multiplier are required with it, because no default is right for it."""
    if sources and (options.layer is None or options.multiplier is None):
        raise UsageProblem(
            "model", "--model needs --layer and --multiplier", "the tested block and the strength of the unit direction"
        )
    rows: dict[str, ModelSpec] = {}
    for source in sources:
        row = spec_of(source, options)
        if row.key in rows:
            raise UsageProblem("model", f"--model names {row.key} twice", "directories of different names")
        rows[row.key] = row
    return rows


def spec_of(source: str, options: Any) -> ModelSpec:
    """A directory or a cached hub id -> its row."""
    config = _config(source)
    layers, hidden, heads, vocab = (_first(config, keys, source) for keys in NAMES.values())
    return ModelSpec(
        key=_key(source),
        source=str(Path(source).resolve()) if Path(source).is_dir() else source,
        family=str(config.get("model_type", "unknown")),
        layers=layers,
        hidden=hidden,
        mlp=config.get("intermediate_size") or config.get("n_inner") or 4 * hidden,
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_dim=config.get("head_dim") or hidden // heads,
        vocab=vocab,
        tied=bool(config.get("tie_word_embeddings", True)),
        dtype=options.dtype or config.get("dtype") or config.get("torch_dtype") or "float32",
        layer=options.layer,
        multiplier=options.multiplier,
    )


def _key(source: str) -> str:
    """The last part of the path or id, as a marker name."""
    name = Path(source).resolve().name if Path(source).is_dir() else source.rpartition("/")[2]
    return re.sub(r"\W+", "_", name).strip("_").lower() or "model"


def _config(source: str) -> dict[str, Any]:
    path = Path(source) / "config.json"
    if not path.is_file():
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError

        try:
            found = try_to_load_from_cache(source, "config.json")
        except HFValidationError:
            found = None
        if not isinstance(found, str):
            raise UsageProblem(
                "model", f"--model {source}: no config.json there", "a Hugging Face directory, or a cached hub id"
            )
        path = Path(found)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageProblem("model", f"--model {source}: config.json does not read: {error}", "a JSON object") from None
    if not isinstance(config, dict):
        raise UsageProblem("model", f"--model {source}: config.json is no JSON object", "a decoder-only language model")
    return config


def _first(config: dict[str, Any], keys: tuple[str, ...], source: str) -> int:
    for key in keys:
        if isinstance(value := config.get(key), int) and value > 0:
            return value
    raise UsageProblem(
        "model", f"--model {source}: config.json has no {' or '.join(keys)}", "a decoder-only language model"
    )
