"""The registry row of a model against its config, both ways: a config made from the row, and one checked by it."""

from collections.abc import Mapping
from typing import Any

from steering_core.errors import LoadProblem
from steering_core.models.registry import ModelSpec

NAMES = {
    "family": ("model_type",),
    "layers": ("num_hidden_layers", "n_layer"),
    "hidden": ("hidden_size", "n_embd"),
    "mlp": ("intermediate_size", "n_inner"),
    "heads": ("num_attention_heads", "n_head"),
    "kv_heads": ("num_key_value_heads",),
    "head_dim": ("head_dim",),
    "vocab": ("vocab_size",),
    "tied": ("tie_word_embeddings",),
}
"""Field of a registry row -> its names in a config.json; GPT-2 has names of its own."""
TIED = {"gemma2", "gemma3_text", "gpt2"}
"""Families whose embeddings are tied unless their config says otherwise."""


def stated_shape(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a registry row that a config states; reads no weights and needs no transformers."""
    found = {name: [config[key] for key in keys if config.get(key) is not None] for name, keys in NAMES.items()}
    return {name: values[0] for name, values in found.items() if values}


def complete_shape(config: Mapping[str, Any]) -> dict[str, Any]:
    """The same with what a config leaves to be derived: KeyError names a field that it must state."""
    said = stated_shape(config)
    hidden, heads = said["hidden"], said["heads"]
    derived = {"mlp": 4 * hidden, "kv_heads": heads, "head_dim": hidden // heads, "tied": said["family"] in TIED}
    return {**derived, **said}


def check_shape(spec: ModelSpec, shape: Mapping[str, Any]) -> None:
    """LoadProblem naming both figures when the registry row and the shape of a config disagree."""
    for name, value in shape.items():
        if (said := getattr(spec, name)) != value:
            raise LoadProblem(
                "shape-mismatch", f"{spec.key}: the registry says {name} = {said}, the loaded config says {value}",
                "the config wins: correct the row in models.toml, or point at the right checkpoint",
            )  # fmt: skip


def random_config(spec: ModelSpec) -> Any:
    """The config of a registry row's architecture and shape, for weights that need no download; LoadProblem if the
    family cannot be built in that shape (GPT-2 fixes kv_heads and head_dim)."""
    from transformers import AutoConfig

    fields = {
        NAMES[name][-1 if spec.family == "gpt2" else 0]: getattr(spec, name) for name in NAMES if name != "family"
    }
    if spec.family == "gpt2":
        fields = {name: value for name, value in fields.items() if name not in {"num_key_value_heads", "head_dim"}}
    config = AutoConfig.for_model(spec.family, **fields, bos_token_id=1, eos_token_id=2, pad_token_id=0)
    check_shape(spec, complete_shape(config.to_dict()))
    return config
