"""What a generation did, seen from its forwards: the logits of each step, and the shift at each edited block."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from steering_core.models.model import LoadedModel


@dataclass(eq=False)
class Recording:
    """logits: float32 [batch, vocabulary] of each forward's last column. before, after: block -> the residual stream after
    it without and with this block's edits, [batch, columns, hidden] of each forward."""

    logits: list[Tensor] = field(default_factory=list)
    before: dict[int, list[Tensor]] = field(default_factory=dict)
    after: dict[int, list[Tensor]] = field(default_factory=dict)

    def steps(self, count: int) -> Tensor:
        """[batch, steps, vocabulary] of the last forwards, which are those that chose a token."""
        return torch.stack(self.logits[-count:], 1)

    def shift(self, block: int, *, cached: bool) -> Tensor:
        """[batch, columns, hidden]; without a cache, the last forward carries every column."""
        moved = [after - before for before, after in zip(self.before[block], self.after[block], strict=True)]
        return torch.cat(moved, 1) if cached else moved[-1]


@contextmanager
def outer(model: LoadedModel, blocks: Sequence[int], recording: Recording, *, edited: bool) -> Iterator[None]:
    """Record logits, and the stream that enters the module after each of these blocks: with edits that were registered
    before, or else without those that will be."""
    followers = [*model.blocks][1:] + [model.module_at(model.architecture.final_norm)]
    kept = recording.after if edited else recording.before
    with ExitStack() as hooks:
        for block in blocks:
            hook = _incoming(kept.setdefault(block, []))
            hooks.callback(followers[block].register_forward_pre_hook(hook, with_kwargs=True).remove)
        if edited:
            hooks.callback(model.module.register_forward_hook(_logits(recording.logits)).remove)
        yield


def _incoming(kept: list[Tensor]) -> Any:
    def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
        kept.append((args[0] if args else kwargs["hidden_states"]).detach().clone())

    return hook


def _logits(kept: list[Tensor]) -> Any:
    def hook(module: nn.Module, args: Any, output: Any) -> None:
        kept.append(output.logits[:, -1].detach().float().clone())

    return hook
