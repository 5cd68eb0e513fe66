"""The recipes on a GPU; skipped without one."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from steering_core.exact import exact_arithmetic, first_difference
from steering_core.models.model import LoadedModel
from steering_core.tests.random_models import FAMILIES, VOCAB, random_model

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
UNIT = {torch.float32: 2**-24, torch.bfloat16: 2**-8, torch.float16: 2**-11}
SUMMING = 2**-18
"""Allowed error of sums in float32 and of exponentials, relative to the largest value."""


def on_gpu(family: str, dtype: torch.dtype) -> LoadedModel:
    model = random_model(family, dtype)
    return replace(model, module=model.module.cuda(), device=torch.device("cuda:0"))


@pytest.fixture
def exact() -> Iterator[None]:
    with exact_arithmetic(on_gpu("qwen2", torch.float32)):
        yield


def random(*shape: int, dtype: torch.dtype, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to("cuda", dtype)


def check(result: Tensor, true: Tensor, dtype: torch.dtype) -> None:
    error = (result.double() - true).abs()
    assert result.dtype == dtype
    assert bool((error <= UNIT[dtype] * true.abs() * 1.001 + SUMMING * true.abs().max()).all()), float(error.max())


@DTYPES
@pytest.mark.parametrize(("rows", "depth", "columns"), [(1, 64, 97), (30, 80, 512), (200, 3584, 2304), (45, 100, 9000)])
def test_products_are_right_whatever_the_other_rows(
    rows: int, depth: int, columns: int, dtype: torch.dtype, exact: None
) -> None:
    left, weight, bias = (
        random(rows, depth, dtype=dtype),
        random(columns, depth, dtype=dtype),
        random(columns, dtype=dtype),
    )
    product = torch.nn.functional.linear(left, weight, bias)
    check(product, left.double() @ weight.double().t() + bias.double(), dtype)
    for start, stop in ((0, 1), (rows // 2, rows), (rows - 1, rows)):
        assert torch.equal(torch.nn.functional.linear(left[start:stop], weight, bias), product[start:stop])
    assert torch.equal(torch.nn.functional.linear(left.flip(0), weight, bias).flip(0), product)
    assert torch.equal(left @ weight.t().contiguous(), left @ weight.t())


@DTYPES
def test_masked_keys_on_either_side_change_nothing(dtype: torch.dtype, exact: None) -> None:
    scores, values = random(6, 3, 90, dtype=dtype), random(6, 90, 64, dtype=dtype)
    probabilities = scores.softmax(-1)
    check(probabilities, scores.double().softmax(-1), dtype)
    attended = probabilities @ values
    check(attended, probabilities.double() @ values.double(), dtype)
    assert torch.equal(probabilities[:, 1:2] @ values, attended[:, 1:2])
    for left, right in ((1, 0), (0, 700), (600, 5)):
        wide = torch.nn.functional.pad(scores, (left, right), value=float("-inf")).softmax(-1)
        assert torch.equal(wide[..., left : left + 90], probabilities)
        before, after = random(6, left, 64, dtype=dtype, seed=1), random(6, right, 64, dtype=dtype, seed=2)
        assert torch.equal(wide @ torch.cat([before, values, after], dim=1), attended)


@DTYPES
@pytest.mark.parametrize("width", [5, 1000, 3584])
def test_reductions_do_not_depend_on_the_other_rows(width: int, dtype: torch.dtype, exact: None) -> None:
    values = random(50, width, dtype=dtype)
    for name in ("mean", "sum", "log_softmax", "softmax"):
        whole = getattr(values, name)(-1)
        check(whole, getattr(values.double(), name)(-1), dtype)
        assert torch.equal(getattr(values[7:8], name)(-1), whole[7:8])
        assert torch.equal(getattr(values.flip(0), name)(-1).flip(0), whole)


@DTYPES
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_exact(family: str, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(4)
    rows: Any = [torch.randint(3, VOCAB, (length,), generator=generator).tolist() for length in (6, 31, 4, 17)]
    model = on_gpu(family, dtype)
    with exact_arithmetic(model):
        assert first_difference(model, rows) is None


def test_it_ends_with_its_block() -> None:
    left, right = random(7, 64, dtype=torch.bfloat16), random(64, 32, dtype=torch.bfloat16)
    before = left @ right
    with exact_arithmetic(on_gpu("qwen2", torch.bfloat16)):
        assert not torch.backends.cuda.flash_sdp_enabled()
    assert torch.equal(left @ right, before)
    assert torch.backends.cuda.flash_sdp_enabled()
