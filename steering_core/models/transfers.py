"""Tensors moved between a GPU and the CPU with as few waits as possible: whoever copies something from a GPU waits until it
has nothing else to do, and on a GPU that several processes share every wait is long."""

from collections.abc import Sequence

import torch
from torch import Tensor


def on_cpu(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Copies on the CPU, contiguous, that share no memory of the given tensors: one transfer per device, whatever the
    dtypes are."""
    copies = dict[int, Tensor]()
    for device in dict.fromkeys(tensor.device for tensor in tensors):
        own = [number for number, tensor in enumerate(tensors) if tensor.device == device]
        copies |= zip(own, _together([tensors[number].detach() for number in own]), strict=True)
    return [copies[number] for number in range(len(tensors))]


def _together(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Those of one device."""
    # The widest dtype comes first, so that each begins at a multiple of the size of its entries.
    dtypes = sorted({tensor.dtype for tensor in tensors}, key=lambda dtype: -dtype.itemsize)
    groups = {dtype: [tensor for tensor in tensors if tensor.dtype == dtype] for dtype in dtypes}
    flat = [torch.cat([tensor.reshape(-1) for tensor in group]).view(torch.uint8) for group in groups.values()]
    moved = torch.cat(flat).cpu().split([part.numel() for part in flat])
    copies = {
        dtype: iter(part.view(dtype).split([tensor.numel() for tensor in group]))
        for part, (dtype, group) in zip(moved, groups.items(), strict=True)
    }
    return [next(copies[tensor.dtype]).reshape(tensor.shape) for tensor in tensors]


def onto(tensor: Tensor, device: torch.device | str) -> Tensor:
    """The tensor on another device. Nothing waits for a GPU that gets it: what the copy is made from is kept elsewhere
    before this returns. (The other way the values would be missing at first.)"""
    return tensor.to(device, non_blocking=torch.device(device).type != "cpu")
