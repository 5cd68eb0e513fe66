"""A tensor that is off by rounding alone is still the requested one; anything else is not, however little it is off."""

from typing import Any

import pytest
import torch
from torch import Tensor

from steering_core.localize import localize_beside, localize_tensor
from steering_core.models.sites import Site
from steering_core.tests.localize.test_localize import REQUESTED, localized, model_of, reads_of
from steering_core.tests.wrong_returns import Reads

pytestmark = pytest.mark.usefixtures("one_thread")


def rounded(reads: Reads, site: Site, tokens: int) -> Tensor:
    """The site's values, one unit in the last place away at the last `tokens` tokens."""
    hidden = reads.hidden[site].clone()
    hidden[:, -tokens:] = torch.nextafter(hidden[:, -tokens:], torch.tensor(float("inf")))
    return hidden


@pytest.mark.parametrize("tokens", [1, 9])
@pytest.mark.parametrize("family", ["qwen2", "gemma2", "gpt2", "phi3"])
def test_rounding_leaves_a_tensor_as_requested(family: str, tokens: int) -> None:
    reads = reads_of(family, 3, "left")
    for site in reads.hidden:
        result = localized(family, reads, rounded(reads, site, tokens), site)
        assert (result.as_requested, result.bit_equal) == (True, False), result.sentence


@pytest.mark.parametrize("tokens", [1, 9])
def test_the_rounding_of_a_half_precision_tensor_is_large(tokens: int) -> None:
    """One unit in the last place of bfloat16: 1 - cos is then above what counts as rounding in float32."""
    reads, model = reads_of("qwen2", 3, "left", torch.bfloat16), model_of("qwen2", torch.bfloat16)
    result = localize_tensor(model, reads.batch, REQUESTED, rounded(reads, REQUESTED, tokens))
    assert (result.site, result.as_requested) == (REQUESTED, True), result.sentence


@pytest.mark.parametrize(
    "change",
    [
        lambda hidden: hidden.half().float(),
        lambda hidden: hidden * 1.01,
        lambda hidden: hidden.flip(0),
        lambda hidden: hidden.roll(1, 1),
        lambda hidden: hidden[:, -1:].expand_as(hidden),
        lambda hidden: hidden[..., :32],
        lambda hidden: hidden.double(),
        lambda hidden: hidden[None],
        lambda hidden: -hidden,
        lambda hidden: torch.randn(hidden.shape, generator=torch.Generator().manual_seed(8)),
        lambda hidden: hidden.where(torch.arange(9)[None, :, None] != 8, 0),
    ],
)
def test_another_tensor_is_not_as_requested(change: Any) -> None:
    reads = reads_of("qwen2", 3, "left")
    assert localized("qwen2", reads, reads("resid_post", 1)).as_requested
    assert not localized("qwen2", reads, change(reads("resid_post", 1))).as_requested
    assert not localized("qwen2", reads, change(reads("resid_post", 0))).as_requested
    assert not localized("qwen2", reads, reads("resid_post", 0)).as_requested


def test_beside_the_expected_values_rounding_needs_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    reads, model = reads_of("qwen2", 3, "left"), model_of("qwen2")
    expected, searched = reads("resid_post", 1), list[Tensor]()
    monkeypatch.setattr("steering_core.localize.localize_tensor", lambda *given: searched.append(given[-1]))

    near, same = (
        localize_beside(model, reads.batch, REQUESTED, each, expected)
        for each in (rounded(reads, REQUESTED, 1), expected.clone())
    )
    assert searched == []
    assert (near.as_requested, near.bit_equal, near.site) == (True, False, REQUESTED)
    assert (same.as_requested, same.bit_equal) == (True, True)
    for other in (expected.half().float(), expected * 1.0001, expected.where(torch.arange(9)[None, :, None] != 8, 0)):
        localize_beside(model, reads.batch, REQUESTED, other, expected)
        assert searched.pop() is other, "more than rounding: the model is searched"
