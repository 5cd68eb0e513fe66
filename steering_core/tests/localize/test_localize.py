"""A wrong tensor is identified: deliberately wrong returns, on two families, batch sizes and padding sides."""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from steering_core.localize import Localization, localize_tensor
from steering_core.localize.layouts import SAMPLED
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import pad
from steering_core.tests.random_models import every_site, prompts, random_model
from steering_core.tests.wrong_returns import WRONG, Reads, Wrong
from steering_core.tools.adapters.hooks import Hooks

pytestmark = pytest.mark.usefixtures("one_thread")

REQUESTED = Site("resid_post", 1)
SETUPS = [("qwen2", 1, "left"), ("qwen2", 3, "left"), ("gemma2", 1, "right"), ("gemma2", 3, "right")]
CASES = [
    pytest.param(family, rows, side, wrong, id=f"{wrong.name}-{family}-{rows}-{side}")
    for family, rows, side in SETUPS
    for wrong in WRONG
    if rows in wrong.rows and wrong.side in ("", side)
]


@cache
def model_of(family: str, dtype: torch.dtype = torch.float32) -> LoadedModel:
    return random_model(family, dtype)


@cache
def reads_of(family: str, rows: int, side: Any, dtype: torch.dtype = torch.float32) -> Reads:
    model, batch = model_of(family, dtype), prompts(rows, side)
    norm = model.module_at(model.architecture.final_norm)
    return Reads(Hooks().read(model, batch, every_site(model)), batch, norm)


def localized(family: str, reads: Reads, returned: Tensor, requested: Site = REQUESTED) -> Localization:
    return localize_tensor(model_of(family), reads.batch, requested, returned)


@pytest.mark.parametrize(("family", "rows", "side", "wrong"), CASES)
def test_a_wrong_return_is_identified(family: str, rows: int, side: str, wrong: Wrong) -> None:
    reads = reads_of(family, rows, side)
    localization = localized(family, reads, wrong.build(reads))
    assert localization.matched
    assert all(phrase in localization.sentence for phrase in wrong.phrases), localization.sentence


@pytest.mark.parametrize("family", ["qwen2", "gemma2", "gpt2", "phi3"])
def test_every_site_is_identified_when_requested(family: str) -> None:
    reads = reads_of(family, 3, "left")
    for site, hidden in reads.hidden.items():
        result = localized(family, reads, hidden, site)
        actual = (result.site, result.token, result.row, result.transform, result.bit_equal)
        assert actual == (site, "last", "same", "none", True)
        assert "nothing is wrong" in result.sentence


def test_the_fields_describe_a_compound_error() -> None:
    reads = reads_of("qwen2", 3, "left")
    result = localized("qwen2", reads, 2 * reads("mlp_contrib", 2).flip(0)[:, :, :32])
    assert (result.name, result.site, result.row) == ("mlp_contrib@2", Site("mlp_contrib", 2), "permuted")
    assert (result.transform, result.aliases) == ("first half of features, scaled by 2.000", ("mlp_out@2",))
    assert (result.one_minus_cosine, result.bit_equal) == (0.0, True)


def test_aliases_are_mentioned_where_the_family_has_them() -> None:
    for family, phrase in (("qwen2", "returned attn_contrib@1 (= attn_out@1) ["), ("gemma2", "returned attn_out@1 [")):
        reads = reads_of(family, 3, "left")
        assert phrase in localized(family, reads, reads("attn_out", 1)).sentence


def test_a_tensor_with_two_names_gets_the_requested_one() -> None:
    reads = reads_of("qwen2", 3, "left")
    assert "returned resid_pre@1 [" in localized("qwen2", reads, reads.before, requested=Site("resid_pre", 2)).sentence
    assert "nothing is wrong" in localized("qwen2", reads, reads.before, requested=Site("resid_pre", 1)).sentence


@pytest.mark.parametrize("path", ["input_layernorm", "self_attn.q_proj", "mlp.gate_proj"])
def test_a_module_output_that_is_not_a_stream_is_named_by_its_path(path: str) -> None:
    model, reads = model_of("qwen2"), reads_of("qwen2", 3, "left")
    outputs: list[Tensor] = []
    handle = model.blocks[1].get_submodule(path).register_forward_hook(lambda *call: outputs.append(call[2].clone()))
    model.module(**reads.batch.inputs())
    handle.remove()
    result = localized("qwen2", reads, outputs[0])
    assert (result.name, result.site) == (f"the output of model.layers.1.{path}", None)
    assert result.bit_equal


def test_noise_and_mixtures_match_nothing() -> None:
    reads = reads_of("qwen2", 3, "left")
    noise = torch.randn(reads.before.shape, generator=torch.Generator().manual_seed(5))
    for returned in (noise, (reads.before + reads("resid_post", 1)) / 2):
        result = localized("qwen2", reads, returned)
        assert (result.matched, result.site, result.bit_equal) == (False, None, False)
        assert result.sentence.startswith("no known site matches; nearest ")
    assert "nearest resid_post@1 (cos 0.9" in result.sentence


@pytest.mark.parametrize(
    ("returned", "phrase"),
    [
        (torch.zeros(3, 9, 64), "returned zeros"),
        (torch.full((3, 9, 64), float("nan")), "returned no finite number"),
        (torch.empty(3, 0, 64), "returned an empty tensor"),
        (torch.ones(()), "no tensor of the model fits shape []"),
        (torch.ones(3, 9, 977), "no tensor of the model fits shape [3, 9, 977]"),
        (torch.ones(3, 9, 64), "no known site matches"),
        (torch.ones(2, 2, 2, 2, 2), "no t"),
    ],
)
def test_returns_without_content_or_of_no_known_shape_are_reported(returned: Tensor, phrase: str) -> None:
    assert phrase in localized("qwen2", reads_of("qwen2", 3, "left"), returned).sentence


def test_half_precision_tensors_are_identified() -> None:
    reads, model = reads_of("qwen2", 3, "right", torch.bfloat16), model_of("qwen2", torch.bfloat16)
    result = localize_tensor(model, reads.batch, REQUESTED, reads.before.float())
    assert (result.site, result.transform, result.bit_equal) == (Site("resid_post", 0), "cast to float32", True)
    noisy = reads.before + 1e-3 * reads.before.abs() * torch.randn(reads.before.shape)
    result = localize_tensor(model, reads.batch, REQUESTED, noisy)
    assert (result.site, result.transform, result.bit_equal) == (Site("resid_post", 0), "none", False)


def test_a_large_batch_is_sampled_and_still_fully_compared() -> None:
    model = model_of("qwen2")
    generator = torch.Generator().manual_seed(6)
    ids = [torch.randint(3, 97, (5 + index,), generator=generator).tolist() for index in range(14)]
    batch = pad(ids, 0)
    hidden = Hooks().read(model, batch, [Site("resid_post", 0)])[Site("resid_post", 0)]
    assert int(batch.mask.sum()) > SAMPLED
    result = localize_tensor(model, batch, REQUESTED, hidden.roll(3, 0))
    assert (result.site, result.row, result.bit_equal) == (Site("resid_post", 0), "permuted", True)
    hidden[0, -3] += 1
    assert "changed at 1 of 161 tokens" in localize_tensor(model, batch, REQUESTED, hidden).sentence


def test_a_read_before_a_user_hook_is_identified() -> None:
    model, reads = random_model("qwen2"), reads_of("qwen2", 3, "left")
    model.blocks[1].register_forward_hook(lambda module, args, output: output + 5)
    result = localize_tensor(model, reads.batch, REQUESTED, reads("resid_post", 1))
    assert (result.site, result.transform) == (REQUESTED, "before the hooks on it")
    result = localize_tensor(model, reads.batch, REQUESTED, reads("resid_post", 1) + 5)
    assert (result.site, result.transform, result.bit_equal) == (REQUESTED, "none", True)


def test_tensors_are_copied_before_a_user_hook_writes_to_them() -> None:
    model, reads = random_model("qwen2"), reads_of("qwen2", 3, "left")

    def write(module: nn.Module, *call: Any) -> None:
        call[-1][0].add_(5)

    model.blocks[2].register_forward_pre_hook(write)
    model.blocks[1].get_submodule("self_attn").register_forward_hook(write)
    hidden = Hooks().read(model, reads.batch, every_site(model))
    result = localize_tensor(model, reads.batch, Site("attn_out", 1), hidden[Site("attn_out", 1)])
    assert (result.site, result.transform, result.bit_equal) == (Site("attn_out", 1), "none", True)
    result = localize_tensor(model, reads.batch, Site("attn_out", 1), reads("attn_out", 1))
    assert (result.site, result.transform, result.bit_equal) == (Site("attn_out", 1), "before the hooks on it", True)
    for site in (REQUESTED, Site("resid_pre", 2)):
        result = localize_tensor(model, reads.batch, site, hidden[site])
        assert (result.site, result.transform, result.bit_equal) == (site, "none", True)


def hooks_on(module: nn.Module) -> int:
    """Global hooks included."""
    global_hooks = nn.modules.module._global_forward_hooks
    return len(global_hooks) + sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules())


def test_localization_takes_one_forward_and_leaves_no_hooks() -> None:
    model, reads = random_model("qwen2"), reads_of("qwen2", 3, "left")
    calls: list[int] = []
    model.blocks[0].register_forward_pre_hook(lambda module, args: calls.append(1))
    localize_tensor(model, reads.batch, REQUESTED, reads.before)
    assert (len(calls), hooks_on(model.module)) == (1, 1)
    localize_tensor(model, reads.batch, REQUESTED, torch.randn(reads.before.shape))
    assert (len(calls), hooks_on(model.module)) == (2, 1)


def test_hooks_are_removed_when_the_forward_fails() -> None:
    model, reads = random_model("qwen2"), reads_of("qwen2", 3, "left")

    def fail(*call: Any) -> None:
        raise RuntimeError("on purpose")

    model.blocks[1].register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="on purpose"):
        localize_tensor(model, reads.batch, REQUESTED, reads.before)
    assert hooks_on(model.module) == 1


def test_the_returned_tensor_is_not_modified() -> None:
    reads = reads_of("qwen2", 3, "left")
    returned = reads.before.clone()
    localized("qwen2", reads, returned)
    assert torch.equal(returned, reads.before)
