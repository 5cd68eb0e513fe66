"""A model's registry row and its config: the shape that a config states, and a config built from the row."""

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
"""Field of a registry row -> its names in a config.json; the second name is GPT-2's."""
TIED = {"gemma2", "gemma3_text", "gpt2"}
"""Families whose embeddings are tied unless their config says otherwise."""
CONFIG_WINS = "the config wins: correct the row in models.toml, or point at the right checkpoint"


def stated_shape(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a registry row that a config states; reads no weights and needs no transformers."""
    stated = {name: [config[key] for key in keys if config.get(key) is not None] for name, keys in NAMES.items()}
    return {name: values[0] for name, values in stated.items() if values}


def complete_shape(config: Mapping[str, Any]) -> dict[str, Any]:
    """The stated fields and those that follow from them; KeyError names a field that the config must state."""
    stated = stated_shape(config)
    hidden, heads = stated["hidden"], stated["heads"]
    derived = {"mlp": 4 * hidden, "kv_heads": heads, "head_dim": hidden // heads, "tied": stated["family"] in TIED}
    return {**derived, **stated}


def check_shape(spec: ModelSpec, shape: Mapping[str, Any]) -> None:
    """LoadProblem with both values when the registry row and the shape of a config disagree."""
    for name, value in shape.items():
        if (registered := getattr(spec, name)) != value:
            sentence = f"{spec.key}: the registry says {name} = {registered}, the loaded config says {value}"
            raise LoadProblem("shape-mismatch", sentence, CONFIG_WINS)


def random_config(spec: ModelSpec) -> Any:
    """The config of a registry row's architecture and shape, for weights that need no download; LoadProblem if the
    family cannot be built in that shape (GPT-2 fixes kv_heads and head_dim)."""
    from transformers import AutoConfig

    gpt2 = spec.family == "gpt2"
    names = [name for name in NAMES if name != "family" and not (gpt2 and name in {"kv_heads", "head_dim"})]
    fields = {NAMES[name][-1 if gpt2 else 0]: getattr(spec, name) for name in names}
    config = AutoConfig.for_model(spec.family, **fields, bos_token_id=1, eos_token_id=2, pad_token_id=0)
    check_shape(spec, complete_shape(config.to_dict()))
    return config
