"""How much memory a model's weights take, computed from its registry row before anything is loaded."""

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
