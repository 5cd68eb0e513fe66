"""The memory of a GPU that the processes of a run's tools share."""

import torch

PLENTY = 8
"""A GPU of which more than one part in so many is free has room for everybody."""
SPARE, SPARE_WHEN_TIGHT = 64, 512
"""One part in so many of a GPU is what a process keeps unused at most, and where there is little room. It is not nothing:
what is given back is asked for anew at the next request, which takes tenths of a second where twenty processes do it."""


def peak() -> int:
    """Bytes of this process's own on the GPU at most, since the last question; 0 without a GPU. What is unused is given
    back where others may need it."""
    if not torch.cuda.is_initialized():
        return 0
    most = int(torch.cuda.max_memory_allocated())
    free, total = torch.cuda.mem_get_info()
    if gives_back(free, total, torch.cuda.memory_reserved() - torch.cuda.memory_allocated()):
        torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return most


def gives_back(free: int, total: int, unused: int) -> bool:
    """Whether a process gives back what it does not use of a GPU, all in bytes."""
    kept = SPARE if free * PLENTY >= total else SPARE_WHEN_TIGHT
    return unused * kept > total
