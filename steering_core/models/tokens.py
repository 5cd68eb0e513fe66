"""Prompts as token ids: encoded once, padded once, shared by every tool."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor

from steering_core.errors import EmptyMeasurement
from steering_core.models.limited import render_turns
from steering_core.models.transfers import onto

Side = Literal["left", "right", "packed"]
"""Where padding is, or packed: there is none, and all prompts follow one another in one row."""


@dataclass(frozen=True, eq=False)
class TokenBatch:
    """ids, mask: int64 [batch, seq]; last: int64 [prompts], index of the last real token of each prompt. A prompt is a row,
    unless the batch is packed: then all of them are one row."""

    ids: Tensor
    mask: Tensor
    last: Tensor
    side: Side

    @property
    def position_ids(self) -> Tensor:
        """[batch, seq]: 0 at the first real token of each prompt, so that absolute positions do not depend on left padding."""
        if self.side == "packed":
            return torch.cat([torch.arange(length, device=self.ids.device) for length in self.lengths])[None]
        return (self.mask.cumsum(-1) - 1).clamp(min=0)

    @property
    def lengths(self) -> list[int]:
        """How many tokens each prompt has."""
        ends = [0, *(self.last + 1).tolist()]
        packed = [end - start for start, end in pairwise(ends)]
        return packed if self.side == "packed" else self.mask.sum(-1).tolist()

    def prompts(self) -> list[list[int]]:
        """The token ids of each prompt, without padding."""
        return [ids.tolist() for ids in self.ids[self.mask.bool()].split(self.lengths)]

    @property
    def digest(self) -> str:
        """sha256 of ids and mask: equal for equal batches, whatever the device. Computed again only after a write."""
        written = self.ids._version, self.mask._version, self.last._version
        known: dict[tuple[int, ...], str] = vars(self).setdefault("digests", {})
        if written not in known:
            raw = torch.stack([self.ids, self.mask]).cpu().numpy().tobytes()
            raw += self.last.cpu().numpy().tobytes() if self.side == "packed" else b""
            known[written] = sha256(f"{tuple(self.ids.shape)}{self.side}".encode() + raw).hexdigest()
        return known[written]

    def to(self, device: torch.device | str) -> "TokenBatch":
        """The same batch on another device."""
        return replace(self, ids=onto(self.ids, device), mask=onto(self.mask, device), last=onto(self.last, device))

    def inputs(self) -> dict[str, Any]:
        """Keyword arguments for one forward of a transformers model.

        transformers keeps packed prompts apart by their positions, but only without a mask and without a cache.
        """
        if self.side == "packed":
            return {"input_ids": self.ids, "position_ids": self.position_ids, "use_cache": False}
        return {"input_ids": self.ids, "attention_mask": self.mask, "position_ids": self.position_ids}

    def at_last(self, hidden: Tensor) -> Tensor:
        """hidden: [batch, seq, hidden] -> [prompts, hidden] at the last real token of each prompt; EmptyMeasurement for
        values of another batch."""
        self._check(hidden)
        rows = torch.arange(hidden.shape[0], device=hidden.device)
        return hidden[0 if self.side == "packed" else rows, self.last.to(hidden.device)]

    def at_real(self, hidden: Tensor) -> Tensor:
        """hidden: [batch, seq, width] -> [tokens, width] at real tokens, row by row; EmptyMeasurement for values of another
        batch."""
        self._check(hidden)
        return hidden[self.mask.to(hidden.device).bool()]

    def _check(self, hidden: Tensor) -> None:
        if hidden.shape[:2] != self.ids.shape:
            sentence = f"values of shape {list(hidden.shape)} are not of {self.ids.shape[0]} rows of {self.ids.shape[1]} tokens"
            raise EmptyMeasurement("other-shape", sentence, "[batch, seq, width] of the given batch is needed")


def chat_ids(tokenizer: Any, prompt: str) -> list[int]:
    """Token ids of one user turn through the chat template, ready for the answer."""
    return chat_rows(tokenizer, [prompt])[0]


def chat_rows(tokenizer: Any, prompts: Sequence[str]) -> list[list[int]]:
    """The same for each of several prompts, as `apply_chat_template(tokenize=True)` does it: what the template writes is
    tokenized without special tokens. LoadProblem for a template that fails or takes too much."""
    return [list(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in render_turns(tokenizer, prompts)]


def pad(rows: Sequence[Sequence[int]], pad_id: int, side: Side = "left") -> TokenBatch:
    """Rows of token ids -> one padded or packed batch; EmptyMeasurement for an empty batch or row."""
    if not rows or not all(rows):
        raise EmptyMeasurement("no-tokens", "an empty batch or an empty prompt", "give at least one non-empty prompt")
    if side == "packed":
        ids = torch.tensor([[token for row in rows for token in row]])
        return TokenBatch(ids, torch.ones_like(ids), torch.tensor([len(row) for row in rows]).cumsum(0) - 1, side)
    width = max(map(len, rows))
    ids = torch.full((len(rows), width), pad_id, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        columns = slice(width - len(row), width) if side == "left" else slice(0, len(row))
        ids[index, columns] = torch.tensor(row)
        mask[index, columns] = 1
    last = torch.tensor([width - 1 if side == "left" else len(row) - 1 for row in rows])
    return TokenBatch(ids, mask, last, side)


def encode(tokenizer: Any, prompts: Sequence[str], side: Side = "left") -> TokenBatch:
    """Prompts -> one padded or packed batch of chat-template token ids."""
    return pad(chat_rows(tokenizer, prompts), pad_id(tokenizer), side)


def pad_id(tokenizer: Any) -> int:
    """The padding id; without one, the end-of-sequence id (padding is masked, so the value does not matter)."""
    padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return int(padding or 0)
