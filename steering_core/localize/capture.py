"""The named tensors of one forward pass, handed over block by block so that only one block is held at a time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from steering_core.localize.views import Name, Names, views
from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch
from steering_core.observe.forward_trace import first_tensor

TensorKind = tuple[int, torch.dtype]


@dataclass(frozen=True, eq=False)
class Candidate:
    """hidden: [batch, seq, width], a copy in the model's dtype, on its first device. names: more than one for an
    alias."""

    names: Names
    hidden: Tensor

    @property
    def kind(self) -> TensorKind:
        """Width and dtype: what candidates must share to be compared in one product."""
        return self.hidden.shape[-1], self.hidden.dtype


Consider = Callable[[Sequence[Candidate]], None]


def stream_forward(model: LoadedModel, batch: TokenBatch, widths: set[int], consider: Consider) -> None:
    """One forward of the model; `consider` gets the embedding, then each block's tensors, then the final norm's.

    widths: a stream is kept if it is at least as wide as one of them, any other module output if it is as wide.
    """
    batch = batch.to(model.device)
    with _Collector(model, batch.ids.shape, widths, consider).looking_on():
        model.forward(batch.inputs())


class _Collector:
    """Copies what it sees and hands it over at the end of each block.

    One hook on every module of the process sees what a module itself returned, before any hook that is on it.
    """

    def __init__(self, model: LoadedModel, shape: torch.Size, widths: set[int], consider: Consider) -> None:
        self.views = views(model, widths)
        self.hooked = {module for module in self.views if module._forward_hooks}
        self.device, self.shape, self.widths, self.consider = model.device, shape, widths, consider
        self.found: list[Candidate] = []
        self.seen: dict[tuple[int, ...], tuple[Tensor, Candidate]] = {}

    @contextmanager
    def looking_on(self) -> Iterator[None]:
        """While a forward runs."""
        handles = [register_module_forward_hook(self._returned)]
        try:
            for module, (view, _) in self.views.items():
                if view.received:
                    handles.append(module.register_forward_pre_hook(self._received, with_kwargs=True))
            handles += [module.register_forward_hook(self._left) for module in self.hooked]
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _received(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        view, layer = self.views[module]
        self._keep(view.received, layer, args[0] if args else kwargs.get("hidden_states"))

    def _returned(self, module: nn.Module, args: Any, output: Any) -> None:
        if module not in self.views:
            return
        if module in self.hooked:
            view, layer = self.views[module]
            self._keep(view.returned, layer, output, "before the hooks on it")
        else:
            self._left(module, args, output)

    def _left(self, module: nn.Module, args: Any, output: Any) -> None:
        view, layer = self.views[module]
        self._keep(view.returned, layer, output)
        if view.complete:
            self._hand_over()

    def _keep(self, names: Sequence[Name], layer: int, value: Any, transform: str = "") -> None:
        hidden = first_tensor(value)
        if not isinstance(hidden, Tensor) or hidden.shape[:-1] != self.shape:
            return
        for name in names:
            part = hidden if name.columns is None else hidden[..., name.columns]
            width = part.shape[-1]
            if width in self.widths or (name.stream and width > min(self.widths)):
                self._copy((name, layer, transform), part)

    def _copy(self, name: tuple[Name, int, str], hidden: Tensor) -> None:
        """Copy the tensor, unless the very same one was the last block's or is this one's, and was not written to."""
        same = (hidden.data_ptr(), hidden.shape[-1], -1 if hidden.is_inference() else hidden._version)
        if same in self.seen and not hidden.is_inference():
            self.seen[same][1].names.append(name)
            return
        self.found.append(Candidate([name], hidden.detach().to(self.device, copy=True)))
        self.seen[same] = (hidden, self.found[-1])

    def _hand_over(self) -> None:
        """The next block receives what this one left last, so that much is remembered."""
        found, self.found = self.found, []
        self.seen = dict(list(self.seen.items())[-1:])
        if found:
            self.consider(found)
