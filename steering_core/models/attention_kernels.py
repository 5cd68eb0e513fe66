"""Which of PyTorch's attention kernels a GPU runs.

From Hopper on PyTorch prefers cuDNN's, which make a plan for every new shape. A run of the checks has hundreds of shapes,
each of them once per process, and a decoding step with a new one takes four to eight times as long as the same step with a
plan (H200, torch 2.11, 7B: 102-207 ms against 23-25).
"""

import os

CUDNN_LAST = "TORCH_CUDNN_SDPA_DEPRIORITIZED"
"""The environment variable that PyTorch reads when attention is first computed."""


def prefer_others() -> None:
    """FlashAttention and the memory-efficient kernels go before cuDNN's, here and in every process that is started from
    here, unless the variable says otherwise ("0")."""
    os.environ.setdefault(CUDNN_LAST, "1")


def order_of_kernels() -> str:
    """In words: cuDNN last, or PyTorch's own."""
    return "cuDNN last" if os.environ.get(CUDNN_LAST) == "1" else "PyTorch's own"
