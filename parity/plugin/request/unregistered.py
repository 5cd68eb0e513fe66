"""`--model DIR_OR_ID`: a registry row made on the spot from a checkpoint's config.json."""

import json
import os
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

from steering_core.errors import UsageProblem
from steering_core.models.hub import SMALL, cached_folder, fetch
from steering_core.models.registry import ModelSpec
from steering_core.models.shapes import NAMES, complete_shape

REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
ELSEWHERE = "a Hugging Face directory, or the id of a repository of the hub, OWNER/NAME"


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
    for name in ("family", "layers", "hidden", "heads", "vocab"):
        _require(config, NAMES[name], source)
    return ModelSpec(
        key=_key(source),
        source=str(Path(source).resolve()) if Path(source).is_dir() else source,
        **complete_shape(config),
        dtype=options.dtype or config.get("dtype") or config.get("torch_dtype") or "float32",
        layer=options.layer,
        multiplier=options.multiplier,
    )


def _key(source: str) -> str:
    """The last part of the path or id, as a marker name."""
    name = os.path.basename(os.path.abspath(source)) if Path(source).is_dir() else source.rpartition("/")[2]
    return re.sub(r"\W+", "_", name).strip("_").lower() or "model"


def _config(source: str) -> dict[str, Any]:
    path = _folder(source) / "config.json"
    if not path.is_file():
        raise UsageProblem("model", f"--model {source}: no config.json there", ELSEWHERE)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageProblem("model", f"--model {source}: config.json does not read: {error}", "a JSON object") from None
    if not isinstance(config, dict):
        raise UsageProblem("model", f"--model {source}: config.json is no JSON object", "a decoder-only language model")
    return config


def _folder(source: str) -> Path:
    """The directory, or where the hub's cache holds the repository; its small files are fetched if need be."""
    if Path(source).is_dir():
        return Path(source)
    if not REPOSITORY.fullmatch(source):
        raise UsageProblem("model", f"--model {source}: no config.json there", ELSEWHERE)
    found = cached_folder(source, "main", SMALL)
    if found and (found / "config.json").is_file():
        return found
    return fetch(source, source, "main", partial(print, file=sys.stderr), SMALL)


def _require(config: dict[str, Any], names: tuple[str, ...], source: str) -> None:
    values = [config[name] for name in names if name in config]
    if not any(isinstance(value, str) if names == NAMES["family"] else _counts(value) for value in values):
        raise UsageProblem(
            "model", f"--model {source}: config.json has no {' or '.join(names)}", "a decoder-only language model"
        )


def _counts(value: Any) -> bool:
    return isinstance(value, int) and value > 0
