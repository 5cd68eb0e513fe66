"""What a generation did, seen from its forwards: the logits of each step, and the shift at each edited site."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site


class Edited(Protocol):
    """An edit, as a tool is given it or as a file states it."""

    @property
    def site(self) -> Site:
        """The edited one."""


@dataclass(eq=False)
class Recording:
    """logits: float32 [batch, vocabulary] of each forward's last column. before, after: site -> its stream without and with
    this site's edits, [batch, columns, hidden] of each forward."""

    logits: list[Tensor] = field(default_factory=list)
    before: dict[Site, list[Tensor]] = field(default_factory=dict)
    after: dict[Site, list[Tensor]] = field(default_factory=dict)

    def steps(self, count: int) -> Tensor:
        """[batch, steps, vocabulary] of the last forwards, which are those that chose a token."""
        return torch.stack(self.logits[-count:], 1)

    def shift(self, site: Site, *, cached: bool) -> Tensor:
        """[batch, columns, hidden]; without a cache, the last forward carries every column."""
        moved = [after - before for before, after in zip(self.before[site], self.after[site], strict=True)]
        return torch.cat(moved, 1) if cached else moved[-1]


def edited_sites(edits: Sequence[Edited]) -> list[Site]:
    """Each edited site once, from the first block to the last."""
    return sorted({edit.site for edit in edits}, key=lambda site: (site.layer, site.stream))


def writer_of(model: LoadedModel, site: Site) -> nn.Module:
    """The module that returns the stream."""
    return model.module_at(model.architecture.tap(site).path)


@contextmanager
def outer(model: LoadedModel, sites: Sequence[Site], recording: Recording, *, edited: bool) -> Iterator[None]:
    """Record logits and the streams at these sites: with edits that were registered before, or else without those that will
    be. A block's output is seen where it enters the next module; what a module inside a block returns only by its own hooks."""
    followers = [*model.blocks][1:] + [model.module_at(model.architecture.final_norm)]
    kept = recording.after if edited else recording.before
    with ExitStack() as hooks:
        for site in sites:
            values = kept.setdefault(site, [])
            if site.stream == "resid_post":
                handle = followers[site.layer].register_forward_pre_hook(_incoming(values), with_kwargs=True)
                hooks.callback(handle.remove)
            elif edited:
                hooks.enter_context(_last_hook(model.module, writer_of(model, site), outgoing(values)))
            else:
                hooks.callback(writer_of(model, site).register_forward_hook(outgoing(values)).remove)
        if edited:
            hooks.callback(model.module.register_forward_hook(_logits(recording.logits)).remove)
        yield


@contextmanager
def _last_hook(whole: nn.Module, module: nn.Module, hook: Callable[..., None]) -> Iterator[None]:
    """Registers the hook on a module anew at each forward of the whole model, so that it comes after those of a tool."""
    handles: list[RemovableHandle] = []

    def drop() -> None:
        while handles:
            handles.pop().remove()

    def renew(*_: Any) -> None:
        drop()
        handles.append(module.register_forward_hook(hook))

    with ExitStack() as stack:
        stack.callback(drop)
        stack.callback(whole.register_forward_pre_hook(renew).remove)
        yield


def outgoing(kept: list[Tensor]) -> Callable[..., None]:
    """A forward hook that keeps what its module returns."""

    def hook(module: nn.Module, args: Any, output: Any) -> None:
        kept.append((output[0] if isinstance(output, tuple) else output).detach().clone())

    return hook


def _incoming(kept: list[Tensor]) -> Callable[..., None]:
    def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
        kept.append((args[0] if args else kwargs["hidden_states"]).detach().clone())

    return hook


def _logits(kept: list[Tensor]) -> Callable[..., None]:
    def hook(module: nn.Module, args: Any, output: Any) -> None:
        kept.append(output.logits[:, -1].detach().float().clone())

    return hook
