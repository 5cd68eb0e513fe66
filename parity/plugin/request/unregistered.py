"""`--model DIR_OR_ID`: models without a registry row."""

from typing import Any

from steering_core.errors import UsageProblem
from steering_core.models.registry import ModelSpec
from steering_core.models.unregistered import spec_of_checkpoint


def unregistered_models(sources: list[str], options: Any) -> dict[str, ModelSpec]:
    """One row per --model; --layer and --multiplier are required with it, because no default is right for it."""
    if sources and (options.layer is None or options.multiplier is None):
        hint = "the tested block and the strength of the unit direction"
        raise UsageProblem("model", "--model needs --layer and --multiplier", hint)
    rows: dict[str, ModelSpec] = {}
    for source in sources:
        row = spec_of_checkpoint(source, options.layer, options.multiplier, options.dtype or "")
        if row.key in rows:
            raise UsageProblem("model", f"--model names {row.key} twice", "directories with different names")
        rows[row.key] = row
    return rows
