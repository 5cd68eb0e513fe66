"""Digests of values: one for equal bits at real tokens, another for every other value."""

import pytest
import torch
from torch import Tensor

from steering_core.models.sites import Site
from steering_core.models.value_digests import Digest, value_digests
from steering_core.tests.counting_waits import counted_waits

SITE = Site("k", 0)
MASK = torch.tensor([[0, 1, 1], [1, 1, 1]])
FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def drawn(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1)).to(dtype)


def digest(value: Tensor, mask: Tensor = MASK) -> Digest | None:
    return value_digests({SITE: value}, mask).get(SITE)


@pytest.mark.parametrize("dtype", FLOATS)
def test_equal_values_have_one_digest_whatever_is_in_the_padding(dtype: torch.dtype) -> None:
    value, other = drawn(dtype), drawn(dtype)
    other[0, 0] = torch.nan

    assert digest(value) is not None
    assert digest(other) == digest(value)
    assert digest(drawn(dtype).transpose(0, 1).contiguous().transpose(0, 1)) == digest(value), "however it is stored"


@pytest.mark.parametrize("dtype", FLOATS)
def test_every_bit_of_every_real_token_counts(dtype: torch.dtype) -> None:
    words = {2: torch.int16, 4: torch.int32, 8: torch.int64}[dtype.itemsize]
    seen = {digest(drawn(dtype))}
    changed = 0
    for entry in range(4, 24):
        for bit in range(8 * dtype.itemsize):
            value = drawn(dtype)
            bits = value.view(words).reshape(-1)
            mask = torch.iinfo(words).min if bit == 8 * dtype.itemsize - 1 else 1 << bit
            bits[entry] ^= mask
            if value.isfinite().all():
                seen.add(digest(value))
                changed += 1

    assert None not in seen
    assert len(seen) == changed + 1 > 200


def test_places_shapes_dtypes_and_the_sign_of_zero_count() -> None:
    value, zeros = drawn(), torch.zeros(2, 3, 4)
    others = [
        *(value.flip(0), value.roll(1, -1), value.bfloat16().float(), value.double(), value[..., :2], -zeros, zeros),
        zeros.bfloat16(),
    ]

    assert len({digest(each) for each in (value, *others)}) == 1 + len(others)


def test_what_equals_nothing_has_no_digest() -> None:
    unordered = drawn()
    unordered[1, 2, 3] = torch.nan

    assert digest(unordered) is None
    assert digest(drawn()[:, :2]) is None
    assert digest(drawn().flatten(0, 1)) is None
    assert digest(drawn().to(torch.complex128)) is None
    assert value_digests({}, MASK) == {}


def test_all_sites_are_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {Site("k", number): drawn() + number for number in range(5)}
    waits = counted_waits(monkeypatch)

    assert len(set(value_digests(values, MASK).values())) == 5
    assert waits == ["cpu"]
