"""The registry row and the config of a checkpoint must tell the same shape."""

from dataclasses import replace
from pathlib import Path

import pytest

from steering_core.errors import LoadProblem, ToolUnsupported
from steering_core.shapes import check_shape, random_config
from steering_core.tests.chat_checkpoint import request_of
from steering_core.tests.random_models import FAMILIES, random_spec

SPEC = random_spec("llama")


@pytest.mark.parametrize(
    "wrong", [{"layers": 4}, {"hidden": 32}, {"heads": 8}, {"kv_heads": 4}, {"head_dim": 8}, {"vocab": 98}, {"mlp": 81}]
)
def test_the_registry_and_the_checkpoint_must_agree(checkpoint: Path, wrong: dict[str, int]) -> None:
    name, said = next(iter(wrong.items()))
    spec, loaded = replace(SPEC, **wrong), getattr(SPEC, name)  # type: ignore[arg-type]

    with pytest.raises(LoadProblem, match=f"the registry says {name} = {said}, the loaded config says {loaded}"):
        request_of(checkpoint, spec).load()


def test_another_family_is_named_before_anything_is_read(checkpoint: Path) -> None:
    with pytest.raises(LoadProblem, match="the registry says family = qwen2, the loaded config says llama"):
        request_of(checkpoint, replace(SPEC, family="qwen2")).load()
    with pytest.raises(ToolUnsupported, match="no architecture table for family 'mamba'"):
        request_of(Path("nowhere"), replace(SPEC, family="mamba")).load()


@pytest.mark.parametrize("family", FAMILIES)
def test_random_configs_have_the_shape_of_their_row(family: str) -> None:
    spec = random_spec(family)

    check_shape(spec, random_config(spec))
