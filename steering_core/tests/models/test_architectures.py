"""The taps: every path exists in the real module of its family, and unknown families are refused."""

import pytest

from steering_core.errors import ToolUnsupported
from steering_core.models.architectures import ARCHITECTURES, Tap, architecture_of
from steering_core.models.sites import STREAMS, Site
from steering_core.tests.random_models import FAMILIES, LAYERS, random_model


def test_every_family_is_tested_with_a_random_model() -> None:
    assert set(ARCHITECTURES) == set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_path_leads_to_a_module(family: str) -> None:
    model = random_model(family)
    architecture = model.architecture

    assert len(model.blocks) == LAYERS
    for stream in STREAMS:
        model.module_at(architecture.tap(Site(stream, LAYERS - 1)).path)
    assert model.module_at(architecture.embedding).weight.shape == (model.spec.vocab, model.spec.hidden)
    assert architecture.final_norm == architecture.tap(Site("final_norm", 0)).path


@pytest.mark.parametrize(("family", "module"), [("gemma2", "post_feedforward_layernorm"), ("qwen2", "mlp")])
def test_gemma_adds_the_output_of_another_norm_to_the_stream(family: str, module: str) -> None:
    assert architecture_of(family).tap(Site("mlp_contrib", 3)) == Tap(f"model.layers.3.{module}", "output")


@pytest.mark.parametrize(("stream", "side"), [("resid_pre", "input"), ("resid_mid", "input"), ("resid_post", "output")])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_stream_is_read_before_and_after_the_block(family: str, stream: str, side: str) -> None:
    assert architecture_of(family).tap(Site(stream, 1)).side == side


def test_refuses_an_unknown_family_and_a_missing_stream() -> None:
    with pytest.raises(ToolUnsupported, match="'mamba'.*known: gemma2"):
        architecture_of("mamba")

    with pytest.raises(ToolUnsupported, match=r"family x has no stream k .*it has: v"):
        type(architecture_of("gpt2"))("x", "b", "e", "n", {"v": Tap("v", "output")}).tap(Site("k", 0))
