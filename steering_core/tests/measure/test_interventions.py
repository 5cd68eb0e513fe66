"""Interventions on a real forward pass, observed beneath the hooks that make them."""

import pytest
import torch

from steering_core.directions.scoring.interventions import AblationScope, Intervention, ablation, addition, affine
from steering_core.measure.interventions import intervened
from steering_core.models.model import LoadedModel
from steering_core.observe.forward_trace import block_inputs, trace_forward
from steering_core.observe.hook_state import hook_state
from steering_core.tests.random_models import FAMILIES, LAYERS, prompts, random_model


def vector_of(model: LoadedModel) -> torch.Tensor:
    return torch.randn(model.spec.hidden, generator=torch.Generator().manual_seed(3))


def returned(model: LoadedModel, intervention: Intervention) -> dict[int, torch.Tensor]:
    """Block -> what the following module received under an intervention: [batch, seq, hidden]."""
    with intervened(model, intervention), trace_forward(model) as trace:
        model.forward(prompts(3).inputs())
    return {boundary - 1: hidden for boundary, hidden in trace.received[0].items()}


def part_left(model: LoadedModel, scope: AblationScope, block: int) -> float:
    """Largest part along the ablated direction after a block, as a share of the largest norm."""
    vector = vector_of(model)
    stream = returned(model, ablation(vector, scope, LAYERS, ("resid_pre", 1)))[block]
    return float((stream @ (vector / vector.norm())).abs().max() / stream.norm(dim=-1).max())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scope", ["every_write", "stream"])
def test_ablation_everywhere_leaves_nothing_of_the_direction(family: str, scope: AblationScope) -> None:
    model = random_model(family)

    assert max(part_left(model, scope, block) for block in range(-1, LAYERS - 1)) < 1e-5
    # Norms after attention and MLP write to the stream in the families with such norms: what the last block writes
    # there has a part along the direction again.
    rewritten = scope == "every_write" and family in {"gemma2", "gemma3_text"}
    assert (part_left(model, scope, LAYERS - 1) > 1e-3) is rewritten


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("stream", ["resid_pre", "resid_post"])
def test_addition_shifts_one_site_at_every_token(family: str, stream: str) -> None:
    model = random_model(family)
    vector, plain = vector_of(model), block_inputs(model, prompts(3).inputs())

    if stream == "resid_post":
        shifted = returned(model, addition(vector, "resid_post", 1))
        assert torch.allclose(shifted[1], plain[2] + vector, atol=1e-5)
        assert torch.equal(shifted[0], plain[1]), "earlier blocks are untouched"
    else:
        shifted = returned(model, addition(vector, "resid_pre", 1))
        assert torch.equal(shifted[-1], plain[0]), "earlier blocks are untouched"
        assert torch.allclose(shifted[0], plain[1] + vector, atol=1e-5)


def test_affine_editing_sets_the_part_along_the_direction() -> None:
    model = random_model("llama")
    vector, harmless = vector_of(model), torch.linspace(-1, 1, model.spec.hidden)
    unit = vector / vector.norm()

    removed = returned(model, affine(vector, harmless, "resid_post", 1))[1] @ unit
    induced = returned(model, affine(vector, harmless, "resid_post", 1, induce=True))[1] @ unit

    assert torch.allclose(removed, (harmless @ unit).expand_as(removed), atol=1e-4)
    assert torch.allclose(induced, (harmless @ unit + vector.norm()).expand_as(induced), atol=1e-4)


def test_hooks_are_removed_after_an_error() -> None:
    model = random_model("gpt2")
    before, within = hook_state(model.module), dict[str, object]()

    def fail_within() -> None:
        with intervened(model, addition(vector_of(model), "resid_pre", 0)):
            within.update(hook_state(model.module))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_within()

    assert within != before
    assert hook_state(model.module) == before
