"""The named tensors of one forward pass, handed over block by block so that only one block is held at a time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from steering_core.models import LoadedModel
from steering_core.sites import STREAMS, Site
from steering_core.tokens import TokenBatch
from steering_core.witness import first_tensor


@dataclass(frozen=True)
class Label:
    """What a tensor is called. site: None for a module output that is no stream. transform: what was done to it."""

    name: str
    site: Site | None = None
    transform: str = "none"


Kind = tuple[int, torch.dtype]


@dataclass(frozen=True, eq=False)
class Candidate:
    """hidden: [batch, seq, width], a copy in the model's dtype, on its first device. labels: its names, more than one for an alias."""

    labels: list[Label]
    hidden: Tensor

    @property
    def kind(self) -> Kind:
        """Width and dtype: what candidates must share to be compared in one product."""
        return self.hidden.shape[-1], self.hidden.dtype


Consider = Callable[[Sequence[Candidate]], None]


def stream_forward(model: LoadedModel, batch: TokenBatch, widths: set[int], consider: Consider) -> None:
    """One forward of the model; `consider` gets the embedding, then each block's tensors, then the final norm's.

    widths: a stream is kept if it is at least as wide as one of them, any other module output if it is as wide.
    """
    with _hooked(model, _Collector(model, tuple(batch.ids.shape), widths, consider)), model.inference():
        model.module(**batch.to(model.device).inputs(), use_cache=False, logits_to_keep=1)


class _Collector:
    """Copies what the hooks see and hands it over at the end of each block."""

    def __init__(self, model: LoadedModel, shape: tuple[int, ...], widths: set[int], consider: Consider) -> None:
        self.norm = model.module_at(model.architecture.final_norm)
        self.norm_device = model.device_at(model.architecture.final_norm)
        self.device = model.device
        self.shape, self.widths, self.consider = shape, widths, consider
        self.found: list[Candidate] = []
        self.seen: dict[tuple[int, ...], tuple[Tensor, Candidate]] = {}

    def keep(self, label: Label, value: Any, columns: slice = slice(None)) -> None:
        hidden = first_tensor(value)
        if not isinstance(hidden, Tensor) or tuple(hidden.shape[:-1]) != self.shape:
            return
        hidden = hidden.detach()[..., columns]
        width = hidden.shape[-1]
        if width in self.widths or (label.site is not None and width > min(self.widths)):
            self._copy(label, hidden)

    def _copy(self, label: Label, hidden: Tensor) -> None:
        """Copy the tensor, unless this block gave the very same one before and nothing has written to it since."""
        same = (hidden.data_ptr(), hidden.shape[-1], -1 if hidden.is_inference() else hidden._version)
        if same in self.seen and not hidden.is_inference():
            self.seen[same][1].labels.append(label)
            return
        self.found.append(Candidate([label], hidden.to(self.device, copy=True)))
        self.seen[same] = (hidden, self.found[-1])

    def keep_unedited(self, label: Label, value: Any, columns: slice) -> None:
        """The output before the hooks that were on the module already; the next `keep` of it may be the same tensor."""
        self.keep(Label(f"{label.name} before the hooks on it", label.site, "before the hooks on it"), value, columns)

    def keep_normed(self, label: Label) -> None:
        """The final norm applied to the newest candidate, past any hook: what `hidden_states[-1]` is."""
        if self.found and label in self.found[-1].labels:
            normed = type(self.norm).forward(self.norm, self.found[-1].hidden.to(self.norm_device))
            self.keep(Label(f"{label.name} normed", label.site, "normed"), normed)

    def hand_over(self) -> None:
        found, self.found, self.seen = self.found, [], {}
        if found:
            self.consider(found)


@contextmanager
def _hooked(model: LoadedModel, collector: _Collector) -> Iterator[None]:
    handles: list[RemovableHandle] = []
    table, last = model.architecture, model.spec.layers - 1
    final = Label(f"final_norm@{last}", Site("final_norm", last))
    try:
        handles += _watch(model.module_at(table.embedding), Label("the embedding output"), collector, hand_over=True)
        for layer in range(model.spec.layers):
            handles += _watch_block(model, layer, collector)
        handles += _watch(model.module_at(table.final_norm), final, collector, hand_over=True)
        yield
    finally:
        for handle in handles:
            handle.remove()


def _watch_block(model: LoadedModel, layer: int, collector: _Collector) -> Iterator[RemovableHandle]:
    """Every stream of the block by its name, every other module output by its path; the block itself comes last."""
    named: set[str] = set()
    post = Site("resid_post", layer)
    for stream in STREAMS:
        narrow = stream in {"k", "v"} and model.spec.kv_heads * model.spec.head_dim < min(collector.widths)
        if narrow or stream in {"final_norm", "resid_post"} or stream not in model.architecture.taps:
            continue
        site = Site(stream, layer)
        tap, label = model.architecture.tap(site), Label(str(site), site)
        module = model.module_at(tap.path)
        if tap.side == "input":
            yield module.register_forward_pre_hook(_input_hook(label, collector), with_kwargs=True)
        else:
            yield from _watch(module, label, collector, model.columns(site))
            named |= {tap.path} if tap.part is None else set()
    path = model.architecture.tap(post).path
    for name, module in model.module_at(path).named_modules(prefix=path):
        if name not in named and name != path and getattr(module, "out_features", None) in {None, *collector.widths}:
            yield from _watch(module, Label(f"the output of {name}"), collector)
    yield from _watch(model.module_at(path), Label(str(post), post), collector, normed=True, hand_over=True)


def _input_hook(label: Label, collector: _Collector) -> Callable[..., None]:
    def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
        collector.keep(label, args[0] if args else kwargs.get("hidden_states"))

    return hook


def _watch(
    module: nn.Module, label: Label, collector: _Collector, columns: slice = slice(None),
    *, normed: bool = False, hand_over: bool = False,
) -> Iterator[RemovableHandle]:  # fmt: skip
    if module._forward_hooks:
        first = _output_hook(lambda value: collector.keep_unedited(label, value, columns))
        yield module.register_forward_hook(first, prepend=True)

    def keep(value: Any) -> None:
        collector.keep(label, value, columns)
        if normed:
            collector.keep_normed(label)
        if hand_over:
            collector.hand_over()

    yield module.register_forward_hook(_output_hook(keep))


def _output_hook(keep: Callable[[Any], None]) -> Callable[..., None]:
    def hook(module: nn.Module, args: Any, output: Any) -> None:
        keep(output)

    return hook
