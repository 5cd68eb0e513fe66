"""What one forward call of the model was given, beneath any tool: its tokens, and the ways to read their positions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from steering_core.models.transfers import on_cpu


@dataclass(frozen=True, eq=False)
class ModelCall:
    """One forward call; its tensors are copies, on the model's device up to `calls_on_cpu`.

    ids: int64 [batch, width]; None where only embeddings were given. embeddings: [batch, width, hidden], then. mask: bool
    [batch, past + width], or None. positions: int64 [batch, width], or None. past: tokens in the KV cache before. starts:
    the columns at which the sequences begin that are packed in one row, if the call says so.
    """

    ids: Tensor | None
    embeddings: Tensor | None = None
    mask: Tensor | None = None
    positions: Tensor | None = None
    past: int = 0
    starts: frozenset[int] = frozenset()

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, tokens per row)."""
        given = self.ids if self.ids is not None else self.embeddings
        assert given is not None
        return int(given.shape[0]), int(given.shape[1])

    @property
    def real(self) -> Tensor:
        """bool [batch, width]: not known to be padding."""
        width = self.shape[1]
        known = self.mask is not None and self.mask.shape[1] >= width
        return self.mask[:, -width:] if known and self.mask is not None else torch.ones(self.shape, dtype=torch.bool)

    def readings(self) -> Iterator[Tensor]:
        """Absolute positions, int64 [batch, width], as each of the arguments gives them: the mask (which counts real
        tokens only), the position ids, the length of the cache."""
        rows, width = self.shape
        if self.mask is not None and self.mask.shape[1] == self.past + width:
            yield (self.mask.cumsum(1) - 1)[:, -width:]
        if self.positions is not None:
            yield self.positions.expand(rows, width)
        yield torch.arange(self.past, self.past + width).expand(rows, width)


def call_of_model(given: Mapping[str, Any]) -> ModelCall:
    """given: the arguments of the base model's forward, by name."""
    ids, past = given.get("input_ids"), cached_tokens(given.get("past_key_values"))
    tokens: Tensor = given["inputs_embeds"] if ids is None else ids
    rows, width = tokens.shape[:2]
    tokens = tokens.detach().clone()
    ends = sequence_ends(given.get("cu_seq_lens_q"))
    mask = packed_mask(width, ends) if ends else key_mask(given.get("attention_mask"), past + width)
    mask = mask if mask is None or len(mask) == rows else mask.expand(rows, -1)
    known, embeddings = (None, tokens) if ids is None else (tokens.long(), None)
    return ModelCall(known, embeddings, mask, _two_dimensional(given.get("position_ids")), past, frozenset(ends))


def call_of_block(hidden: Tensor) -> ModelCall:
    """A tool that runs the blocks itself: what the first block received stands for the tokens."""
    return ModelCall(None, hidden.detach().clone())


def calls_on_cpu(calls: Sequence[ModelCall]) -> list[ModelCall]:
    """The same calls on the CPU: all of a generation are waited for once, not each of them while it is generated."""
    names = ("ids", "embeddings", "mask", "positions")
    given = [(number, name) for number, call in enumerate(calls) for name in names if getattr(call, name) is not None]
    moved = dict(zip(given, on_cpu([getattr(calls[number], name) for number, name in given]), strict=True))
    parts: list[dict[str, Any]] = [{} for _ in calls]
    for (number, name), tensor in moved.items():
        parts[number][name] = tensor
    return [replace(call, **own) for call, own in zip(calls, parts, strict=True)]


def key_mask(mask: Any, keys: int) -> Tensor | None:
    """Which cached and new tokens are real: bool [batch, keys], from a mask of two dimensions, or from what any token may
    attend to in one of four; None if the mask says nothing about it."""
    if isinstance(mask, Mapping):
        mask = mask.get("full_attention", next(iter(mask.values()), None))
    if not isinstance(mask, Tensor) or mask.dim() not in {2, 4}:
        return None
    mask = mask.detach()
    if mask.dim() == 2:
        return mask != 0
    allowed = (mask if mask.dtype == torch.bool else mask == 0)[:, 0, :, :keys]
    # A row of padding that would attend to nothing may be made to attend to everything.
    queries = torch.arange(keys - allowed.shape[1], keys, device=mask.device)[:, None]
    ahead = (allowed & (torch.arange(allowed.shape[2], device=mask.device) > queries)).any(-1, keepdim=True)
    return (allowed & ~ahead).any(1)


def sequence_ends(lengths: Any) -> list[int]:
    """The columns where the packed sequences of a call end, with 0 before them, from the cumulative lengths that attention
    kernels for packed rows (and transformers' continuous batching) are given; empty without them."""
    return lengths.detach().cpu().reshape(-1).tolist() if isinstance(lengths, Tensor) else []


def packed_mask(width: int, ends: list[int]) -> Tensor:
    """bool [1, width]: what lies behind the last sequence fills the row up. (The mask of packed rows has a column per token
    of a shared cache, in no row's order: it says nothing about this.)"""
    return torch.arange(width)[None] < ends[-1]


def cached_tokens(cache: Any) -> int:
    """How many tokens a KV cache holds: one of transformers' own, or a tuple of (keys, values) per block."""
    if cache is None or (isinstance(cache, tuple) and not cache):
        return 0
    return int(cache[0][0].shape[-2]) if isinstance(cache, tuple) else int(cache.get_seq_length())


def _two_dimensional(positions: Any) -> Tensor | None:
    if not isinstance(positions, Tensor):
        return None
    positions = positions.detach().to(torch.int64, copy=True)
    return positions if positions.dim() == 2 else positions.reshape(-1, positions.shape[-1])[:1]
