"""How much memory a model's weights take, from its registry row: known before anything is loaded."""

from steering_core.models.registry import ModelSpec

BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0}
QUANTIZED = {"int8": 1.0, "nf4": 0.5}
"""Bytes per weight of a linear layer inside the blocks; embeddings keep the model's dtype."""


def weights_bytes(spec: ModelSpec, dtype: str, quantize: str = "") -> int:
    """Bytes of all weight matrices; norms, biases and the scales of quantized weights are left out."""
    wide = BYTES[dtype]
    return int(embedding_weights(spec) * wide + block_weights(spec) * QUANTIZED.get(quantize, wide))


def embedding_weights(spec: ModelSpec) -> int:
    """Entries of the embedding, and of the unembedding where it is not the same matrix."""
    return spec.vocab * spec.hidden * (1 if spec.tied else 2)


def block_weights(spec: ModelSpec) -> int:
    """Entries of every block's matrices: queries and outputs, keys and values, and the MLP (gated but in GPT-2)."""
    attention = 2 * (spec.heads + spec.kv_heads) * spec.head_dim * spec.hidden
    mlp = (2 if spec.family == "gpt2" else 3) * spec.mlp * spec.hidden
    return spec.layers * (attention + mlp)
