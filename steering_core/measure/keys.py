"""What a measurement depends on: the parts of its key in the store."""

from typing import Any

from steering_core.exact.arithmetic import ACTIVE
from steering_core.models.model import LoadedModel
from steering_core.records.provenance import environment, source_digest
from steering_core.tools.tool import Tool


def identity(tool: Tool) -> dict[str, str]:
    """Whose measurement it is: tools of one name, or versions of one tool, are told apart."""
    class_path = getattr(tool, "class_path", f"{type(tool).__module__}:{type(tool).__qualname__}")
    return {"tool": tool.name, "class": class_path, "version": str(tool.version())}


def arithmetic_of(model: LoadedModel) -> str:
    """What its numbers are computed with. Exact kernels serve the whole process, so a model whose own layers depend on
    the batch runs on them too."""
    if model.exact:
        return "exact"
    return "exact, but batch-dependent" if model.device.type in ACTIVE else "plain"


def model_key(model: LoadedModel, weights: str) -> dict[str, Any]:
    """What every measurement of a model depends on; weights: their digest."""
    machine = {name: environment()[name] for name in ("gpu", "torch", "transformers")}
    return {
        **{"model": model.spec.key, "weights": weights, "dtype": str(model.dtype), "quantize": model.quantize},
        **{"device": model.device.type, "attention": model.module.config._attn_implementation},
        **{"arithmetic": arithmetic_of(model)},
        **machine,
        "suite": source_digest(),
    }
