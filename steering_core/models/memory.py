"""How much memory a model's weights take, computed from its registry row or its files' headers before anything is loaded."""

from collections.abc import Iterable
from math import prod
from pathlib import Path

from safetensors import SafetensorError, safe_open

from steering_core.models.registry import ModelSpec

BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0}
QUANTIZED = {"int8": 1.0, "nf4": 0.5}
"""Bytes per weight of a linear layer inside the blocks; embeddings keep the model's dtype."""


def weights_bytes(spec: ModelSpec, dtype: str, quantize: str = "") -> int:
    """Bytes of all weight matrices; norms, biases and the scales of quantized weights are not counted."""
    embeddings = spec.vocab * spec.hidden * (1 if spec.tied else 2)
    attention = 2 * (spec.heads + spec.kv_heads) * spec.head_dim * spec.hidden
    mlp = (2 if spec.family == "gpt2" else 3) * spec.mlp * spec.hidden  # gated in every family but GPT-2
    width = BYTES[dtype]
    return int(embeddings * width + spec.layers * (attention + mlp) * QUANTIZED.get(quantize, width))


def checkpoint_bytes(files: Iterable[Path], dtype: str) -> int:
    """Bytes of all weights of a checkpoint's safetensors files once loaded in a dtype; 0 for files that cannot be read."""
    weights = 0
    try:
        for file in files:
            with safe_open(file, framework="numpy") as opened:
                weights += sum(prod(opened.get_slice(name).get_shape()) for name in opened.keys())  # noqa: SIM118
    except (OSError, SafetensorError):
        return 0
    return int(weights * BYTES[dtype])
