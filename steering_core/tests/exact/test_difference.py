"""What depends on the batch gets a name: the module whose own arithmetic differs first."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from steering_core.errors import LoadProblem
from steering_core.exact import exact_arithmetic, first_difference, require_exact
from steering_core.exact.cpu import CpuRecipes
from steering_core.models.model import LoadedModel
from steering_core.tests.random_models import FAMILIES, VOCAB, random_model

pytestmark = pytest.mark.usefixtures("one_thread")


def rows() -> list[list[int]]:
    generator = torch.Generator().manual_seed(4)
    return [torch.randint(3, VOCAB, (length,), generator=generator).tolist() for length in (6, 11, 4)]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_exact_model_has_no_difference(family: str) -> None:
    model = random_model(family)
    with exact_arithmetic(model):
        assert first_difference(model, rows()) is None


def test_a_product_that_depends_on_the_batch_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's own kernel in the place of the exact one, with a sum that is split by the number of rows."""

    def split(recipes: CpuRecipes, left: Tensor, right: Tensor, bias: Tensor | None) -> Tensor:
        half = 8 if len(left) % 2 else 16
        product = torch.mm(left[:, :half], right[:half], out=left.new_empty(0))
        product += torch.mm(left[:, half:], right[half:], out=left.new_empty(0))
        return product if bias is None else product + bias

    monkeypatch.setattr(CpuRecipes, "product", split)
    difference = difference_of(random_model("llama"))
    assert difference.module == "model.layers.0.self_attn.q_proj"
    assert difference.tensor == "its output"
    assert 0 < difference.max_abs < 1e-4


def test_a_softmax_that_depends_on_the_padding_names_the_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    def shifted(recipes: CpuRecipes, scores: Tensor, log: bool) -> Tensor:
        return (
            scores.exp() / scores.exp().sum(-1, keepdim=True, dtype=torch.float64).float() * (1 + scores.shape[1] / 1e3)
        )

    monkeypatch.setattr(CpuRecipes, "softmax", shifted)
    difference = difference_of(random_model("llama"))
    assert difference.module == "model.layers.0.self_attn"
    assert difference.tensor == "the input of model.layers.0.self_attn.o_proj"
    assert difference.change == "in a batch"


class Crowded(nn.Module):
    """A fused module that looks at the whole batch, as a quantized layer's outlier threshold does."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, hidden: Tensor) -> Any:
        return self.inner(hidden) * (1 + hidden.abs().max() * 1e-3)


@pytest.mark.parametrize("path", ["model.layers.1.mlp", "model.layers.2.self_attn.v_proj", "model.norm", "lm_head"])
def test_a_module_that_looks_at_the_batch_is_named(path: str) -> None:
    model = random_model("qwen2")
    model.module.set_submodule(path, Crowded(model.module.get_submodule(path)))
    assert difference_of(model).module == path


def test_a_model_that_is_not_exact_is_refused_by_name() -> None:
    model = random_model("qwen2")
    model.module.set_submodule("model.layers.1.mlp", Crowded(model.module.get_submodule("model.layers.1.mlp")))
    with exact_arithmetic(model), pytest.raises(LoadProblem) as caught:
        require_exact(model, rows())
    assert "random_qwen2 is not batch-invariant: model.layers.1.mlp differs first: its output" in caught.value.sentence


def test_no_hook_is_left_behind() -> None:
    model = random_model("qwen2")
    first_difference(model, rows())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.module.modules())


def difference_of(model: LoadedModel) -> Any:
    with exact_arithmetic(model):
        difference = first_difference(model, rows())
    assert difference is not None
    return difference
