"""Loading a model in one call, for scripts and tests of tools."""

from pathlib import Path

from steering_core.models.model import LoadedModel, LoadRequest
from steering_core.models.registry import ModelSpec, read_registry
from steering_core.models.unregistered import spec_of_checkpoint
from steering_core.places import REGISTRY, ROOT


def load(source: str | Path, *, dtype: str = "", device: str = "cpu", random_weights: bool = False) -> LoadedModel:
    """A model of the registry by its key, or a Hugging Face directory or cached hub id.

    dtype: "float32", "bfloat16" or "float16"; that of the row or config, unless given. random_weights: the registry
    row's architecture and shape with seeded random weights; needs no checkpoint. UsageProblem or LoadProblem says what
    is wrong with the request or the checkpoint.
    """
    spec = _spec(str(source))
    folder = ROOT / spec.source
    tiny = str(ROOT / read_registry(REGISTRY)["tiny_qwen2"].source)
    return LoadRequest(
        spec,
        source=str(folder) if folder.is_dir() else spec.source,
        dtype=dtype or spec.dtype,
        device=device,
        random_weights=random_weights,
        tokenizer=tiny if random_weights else spec.tokenizer,
    ).load()


def _spec(source: str) -> ModelSpec:
    """The registry row of a key; for a checkpoint, one that tests the middle block at strength 1."""
    registry = read_registry(REGISTRY)
    if source in registry:
        return registry[source]
    spec = spec_of_checkpoint(source, layer=0, multiplier=1.0)
    return spec_of_checkpoint(source, layer=spec.layers // 2, multiplier=1.0)
