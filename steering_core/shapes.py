"""The registry row of a model against its config, both ways: a config made from the row, and one checked by it."""

from typing import Any

from transformers import AutoConfig

from steering_core.errors import LoadProblem
from steering_core.specs import ModelSpec


def random_config(spec: ModelSpec) -> Any:
    """The config of a registry row's architecture and shape, for weights that need no download."""
    fields = {
        "num_hidden_layers": spec.layers, "hidden_size": spec.hidden, "intermediate_size": spec.mlp,
        "num_attention_heads": spec.heads, "num_key_value_heads": spec.kv_heads, "vocab_size": spec.vocab,
        "tie_word_embeddings": spec.tied, "head_dim": spec.head_dim,
    }  # fmt: skip
    if spec.head_dim * spec.heads == spec.hidden and spec.family in {"qwen2", "phi3"}:
        fields.pop("head_dim")  # these families derive it, and phi3 refuses it
    return AutoConfig.for_model(spec.family, **fields, bos_token_id=1, eos_token_id=2, pad_token_id=0)


def check_shape(spec: ModelSpec, config: Any) -> None:
    """LoadProblem naming both figures when the registry row and the loaded config disagree."""
    heads = config.num_attention_heads
    loaded = {
        "family": config.model_type,
        "layers": config.num_hidden_layers,
        "hidden": config.hidden_size,
        "mlp": _first_of(config, "intermediate_size", "n_inner") or 4 * config.hidden_size,
        "heads": heads,
        "kv_heads": _first_of(config, "num_key_value_heads") or heads,
        "head_dim": _first_of(config, "head_dim") or config.hidden_size // heads,
        "vocab": config.vocab_size,
    }
    for name, value in loaded.items():
        if (said := getattr(spec, name)) != value:
            raise LoadProblem(
                "shape-mismatch", f"{spec.key}: the registry says {name} = {said}, the loaded config says {value}",
                "the config wins: correct the row in models.toml, or point at the right checkpoint",
            )  # fmt: skip


def _first_of(config: Any, *names: str) -> Any:
    return next((value for name in names if (value := getattr(config, name, None)) is not None), None)
