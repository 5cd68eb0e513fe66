"""The registry row and the config of a checkpoint must have the same shape."""

from dataclasses import replace
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from steering_core.errors import LoadProblem, ToolUnsupported
from steering_core.models.shapes import NAMES, check_shape, complete_shape, random_config, stated_shape
from steering_core.tests.chat_checkpoint import request_of
from steering_core.tests.random_models import FAMILIES, random_spec

SPEC = random_spec("llama")


@pytest.mark.parametrize(
    ("name", "value"),
    [("layers", 4), ("hidden", 32), ("heads", 8), ("kv_heads", 4), ("head_dim", 8), ("vocab", 98), ("mlp", 81)]
    + [("tied", True)],
)
def test_the_registry_and_the_checkpoint_must_agree(checkpoint: Path, name: str, value: int) -> None:
    spec, loaded = replace(SPEC, **{name: value}), getattr(SPEC, name)  # type: ignore[arg-type]

    with pytest.raises(LoadProblem, match=f"the registry says {name} = {value}, the loaded config says {loaded}"):
        request_of(checkpoint, spec).load()


def test_another_family_is_named_before_anything_is_read(checkpoint: Path) -> None:
    with pytest.raises(LoadProblem, match="the registry says family = qwen2, the loaded config says llama"):
        request_of(checkpoint, replace(SPEC, family="qwen2")).load()
    with pytest.raises(ToolUnsupported, match="no architecture table for family 'mamba'"):
        request_of(Path("nowhere"), replace(SPEC, family="mamba")).load()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tied", [True, False])
def test_random_configs_have_the_shape_of_their_row(family: str, tied: bool) -> None:
    spec = replace(random_spec(family), tied=tied)

    shape = complete_shape(random_config(spec).to_dict())

    assert shape == {name: getattr(spec, name) for name in NAMES}


QKV = {"gpt2": 3 * 64, "phi3": 4 * 16 + 2 * 2 * 16}
"""Width of a fused projection of four heads of 16: GPT-2 has four key heads, the others two."""


@pytest.mark.parametrize("family", FAMILIES)
def test_the_model_that_is_built_has_the_widths_of_its_row(family: str) -> None:
    """A config can have a field that its model never reads: only the weights show what was built."""
    spec = random_spec(family)
    model = AutoModelForCausalLM.from_config(random_config(spec))
    block = model.transformer.h[1] if family == "gpt2" else model.model.layers[1]
    shapes = {name: tuple(weight.shape) for name, weight in block.named_parameters() if weight.ndim == 2}
    if family == "gpt2":
        expected = {"attn.c_attn.weight": (spec.hidden, QKV["gpt2"]), "mlp.c_fc.weight": (spec.hidden, spec.mlp)}
    elif family == "phi3":
        expected = {"self_attn.qkv_proj.weight": (QKV["phi3"], spec.hidden)}
        expected |= {"mlp.gate_up_proj.weight": (2 * spec.mlp, spec.hidden)}
    else:
        expected = {"self_attn.q_proj.weight": (64, spec.hidden), "self_attn.k_proj.weight": (32, spec.hidden)}
        expected |= {"mlp.up_proj.weight": (spec.mlp, spec.hidden)}

    assert {name: shapes[name] for name in expected} == expected
    assert model.get_input_embeddings().weight.shape == (spec.vocab, spec.hidden)
    assert ("lm_head.weight" in dict(model.named_parameters())) is not spec.tied


@pytest.mark.parametrize("wrong", [{"kv_heads": 2}, {"head_dim": 8}])
def test_a_shape_that_a_family_cannot_have_is_refused(wrong: dict[str, int]) -> None:
    (name, value), *_ = wrong.items()

    with pytest.raises(LoadProblem, match=f"the registry says {name} = {value}"):
        random_config(replace(random_spec("gpt2"), **wrong))  # type: ignore[arg-type]


def test_missing_fields_are_derived_only_by_complete_shape() -> None:
    """A file alone does not give the defaults of the family's class: fields that it lacks are not compared."""
    short = {"model_type": "llama", "num_hidden_layers": 3, "hidden_size": 48, "num_attention_heads": 4}
    short |= {"vocab_size": 97}
    stated = {"family": "llama", "layers": 3, "hidden": 48, "heads": 4, "vocab": 97}

    assert stated_shape(short) == stated
    assert complete_shape(short) == {**stated, "mlp": 192, "kv_heads": 4, "head_dim": 12, "tied": False}
    assert complete_shape({**short, "model_type": "gemma2"})["tied"] is True
    check_shape(SPEC, stated_shape(short))


def test_gpt2_is_read_by_its_own_names() -> None:
    config = {"model_type": "gpt2", "n_layer": 3, "n_embd": 64, "n_head": 4, "n_inner": None, "vocab_size": 97}

    assert stated_shape(config) == {"family": "gpt2", "layers": 3, "hidden": 64, "heads": 4, "vocab": 97}
    assert complete_shape({**config, "n_inner": 80})["mlp"] == 80
    assert complete_shape(config)["mlp"] == 256
