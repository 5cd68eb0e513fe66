"""The stream tables: every path exists in the real module of its family, and unknown families are refused."""

import pytest

from steering_core.errors import ToolUnsupported
from steering_core.models.architectures import ARCHITECTURES, Tap, architecture_of
from steering_core.models.sites import STREAMS, Site
from steering_core.tests.random_models import FAMILIES, LAYERS, random_model


def test_every_family_has_a_random_model_to_be_tested_with() -> None:
    assert set(ARCHITECTURES) == set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_path_leads_to_a_module(family: str) -> None:
    model = random_model(family)
    table = model.architecture

    assert len(model.blocks) == LAYERS
    for stream in STREAMS:
        model.module_at(table.tap(Site(stream, LAYERS - 1)).path)
    assert model.module_at(table.embedding).weight.shape == (model.spec.vocab, model.spec.hidden)
    assert table.final_norm == table.tap(Site("final_norm", 0)).path


def test_what_gemma_adds_to_the_stream_is_behind_its_own_norm() -> None:
    assert architecture_of("gemma2").tap(Site("mlp_contrib", 3)) == Tap(
        "model.layers.3.post_feedforward_layernorm", "output"
    )
    assert architecture_of("qwen2").tap(Site("mlp_contrib", 3)) == Tap("model.layers.3.mlp", "output")


@pytest.mark.parametrize(("stream", "side"), [("resid_pre", "input"), ("resid_mid", "input"), ("resid_post", "output")])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_stream_is_read_before_and_after_the_block(family: str, stream: str, side: str) -> None:
    assert architecture_of(family).tap(Site(stream, 1)).side == side


def test_refuses_an_unknown_family_and_a_stream_that_is_not_in_one_piece() -> None:
    with pytest.raises(ToolUnsupported, match="'mamba'.*known: gemma2"):
        architecture_of("mamba")

    with pytest.raises(ToolUnsupported, match=r"family x has no stream k .*it has: v"):
        type(architecture_of("gpt2"))("x", "b", "e", "n", {"v": Tap("v", "output")}).tap(Site("k", 0))
