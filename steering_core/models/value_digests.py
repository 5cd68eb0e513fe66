"""Digests of what is read at sites, by which two processes compare values where they are: moving those of every block from a
GPU, through a pipe and back takes longer than reading them."""

from collections.abc import Mapping

import torch
from torch import Tensor

from steering_core.models.sites import Site
from steering_core.models.transfers import on_cpu

Digest = tuple[str | int, ...]
"""The dtype, the shape, and two sums."""
WORDS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int32}
"""Bytes of an entry -> the integers that it is taken as: of 32 bits at most, whose highest bit still moves half of a sum's."""
SECOND = 1 << 40
"""The number of the first entry for the second sum."""
STEP, FIRST_FACTOR, SECOND_FACTOR = -0x61C8864680B583EB, -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15
"""The constants of SplitMix64, as signed numbers."""


def value_digests(values: Mapping[Site, Tensor], mask: Tensor) -> dict[Site, Digest]:
    """values: {site: [batch, seq, width]}; mask: int64 [batch, seq], 1 at real tokens. Two values have one digest if their
    bits are equal at every real token; if not, with a chance below 2^-60.

    Left out is what equals nothing: a value with an entry that is not a number, of another shape than the batch, or on
    another device.
    """
    real, weights = (mask != 0)[..., None], dict[torch.Size, tuple[Tensor, Tensor]]()
    sums = dict[Site, Tensor]()
    for site, value in values.items():
        comparable = value.device == mask.device and value.dim() == 3 and value.shape[:2] == mask.shape
        if not comparable or value.element_size() not in WORDS:
            continue
        words = value.detach().contiguous().view(WORDS[value.element_size()]).long().where(real, 0)
        if words.shape not in weights:
            weights[words.shape] = _weights(words.shape, 0, value.device), _weights(words.shape, SECOND, value.device)
        unordered = ((value != value) & real).any().long()
        sums[site] = torch.stack([*((words * own).sum() for own in weights[words.shape]), unordered])
    numbers = [each.tolist() for each in on_cpu([*sums.values()])]
    return {
        site: (str(values[site].dtype), *values[site].shape, first, second)
        for site, (first, second, unordered) in zip(sums, numbers, strict=True)
        if not unordered
    }


def _weights(shape: torch.Size, start: int, device: torch.device) -> Tensor:
    """int64 of a shape, as good as random: entries of SplitMix64, from one of them on. Products and sums wrap around, so
    that the order of a sum does not matter."""
    mixed = torch.arange(start + 1, start + 1 + shape.numel(), device=device).reshape(shape) * STEP
    mixed = (mixed ^ _shifted(mixed, 30)) * FIRST_FACTOR
    mixed = (mixed ^ _shifted(mixed, 27)) * SECOND_FACTOR
    return mixed ^ _shifted(mixed, 31)


def _shifted(words: Tensor, places: int) -> Tensor:
    """To the right, with zeros from the left."""
    return (words >> places) & ((1 << (64 - places)) - 1)
