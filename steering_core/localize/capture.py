"""The named tensors of one forward pass, handed over block by block so that only one block is held at a time."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from steering_core.localize.tensor_names import Label, TensorName, searched_modules
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.observe.forward_trace import block_inputs, first_tensor

TensorKind = tuple[int, torch.dtype]


@dataclass(frozen=True, eq=False)
class Candidate:
    """hidden: [batch, seq, width], a copy in the model's dtype, on its first device. labels: several for an alias."""

    labels: list[Label]
    hidden: Tensor

    @property
    def kind(self) -> TensorKind:
        """Width and dtype: what candidates must share to be compared in one product."""
        return self.hidden.shape[-1], self.hidden.dtype


OnBlock = Callable[[Sequence[Candidate]], None]


def capture_forward(model: LoadedModel, batch: TokenBatch, widths: set[int], on_block: OnBlock) -> None:
    """One forward of the model; `on_block` gets the embedding, then each block's tensors, then the final norm's.

    widths: a stream is kept if it is at least as wide as one of them, any other module output if it is as wide.
    """
    batch = batch.to(model.device)
    with _Collector(model, batch.ids.shape, widths, on_block).hooks():
        model.forward(batch.inputs())


def read_sites(model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
    """One forward -> {site: [batch, seq, width]}, copies on the model's first device, in the order of `sites`.

    No tool is involved. ToolUnsupported for a site that the family does not have.
    """
    names = {site: _only_one(model, site) for site in sites}
    captured: dict[Site | None, Tensor] = {}
    before: list[Candidate] = []

    def keep(block: Sequence[Candidate]) -> None:
        # A block's output is named as the input of the next one only when that is called.
        for candidate in (*before, *block):
            plain = {label.site for label in candidate.labels if not label.transforms}
            captured.update(dict.fromkeys(plain & {*names.values()}, candidate.hidden))
        before[:] = block[-1:]

    spec = model.spec
    capture_forward(model, batch, {spec.hidden, spec.kv_heads * spec.head_dim}, keep)
    return {site: captured[name] for site, name in names.items()}


def observe_sites(model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
    """The same, but of `resid_post` what the next module received; two forwards at most."""
    outputs = [site for site in sites if site.stream == "resid_post"]
    others = [site for site in sites if site.stream != "resid_post"]
    received = (
        block_inputs(model, batch.to(model.device).inputs(), {site.layer + 1 for site in outputs}) if outputs else {}
    )
    captured = read_sites(model, batch, others) if others else {}
    return captured | {site: received[site.layer + 1] for site in outputs}


def _only_one(model: LoadedModel, site: Site) -> Site:
    """The name under which a site is captured: there is one final norm, whatever block is named."""
    model.architecture.tap(site)
    return Site("final_norm", model.spec.layers - 1) if site.stream == "final_norm" else site


class _Collector:
    """Copies the tensors of a block and hands them over at its end.

    A global forward hook sees what a module itself returned, before any hook that is registered on the module.
    """

    def __init__(self, model: LoadedModel, shape: torch.Size, widths: set[int], on_block: OnBlock) -> None:
        self.modules = searched_modules(model, widths)
        self.hooked = {module for module in self.modules if module._forward_hooks}
        self.device, self.shape, self.widths, self.on_block = model.device, shape, widths, on_block
        self.block: list[Candidate] = []
        self.copied: dict[tuple[int, ...], tuple[Tensor, Candidate]] = {}

    def hooks(self) -> ExitStack:
        """Registers the hooks; closing the stack removes them."""
        with ExitStack() as stack:
            stack.enter_context(register_module_forward_hook(self._on_return))
            for module, (tensors, _) in self.modules.items():
                if tensors.received:
                    stack.enter_context(module.register_forward_pre_hook(self._on_call, with_kwargs=True))
            for module in self.hooked:
                stack.enter_context(module.register_forward_hook(self._after_hooks))
            return stack.pop_all()

    def _on_call(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        tensors, layer = self.modules[module]
        self._keep(tensors.received, layer, args[0] if args else kwargs.get("hidden_states"))

    def _on_return(self, module: nn.Module, args: Any, output: Any) -> None:
        if module in self.hooked:
            tensors, layer = self.modules[module]
            self._keep(tensors.returned, layer, output, "before the hooks on it")
        elif module in self.modules:
            self._after_hooks(module, args, output)

    def _after_hooks(self, module: nn.Module, args: Any, output: Any) -> None:
        tensors, layer = self.modules[module]
        self._keep(tensors.returned, layer, output)
        if tensors.ends_block:
            self._hand_over()

    def _keep(self, names: Sequence[TensorName], layer: int, value: Any, *transforms: str) -> None:
        hidden = first_tensor(value)
        if not isinstance(hidden, Tensor) or hidden.shape[:-1] != self.shape:
            return
        for name in names:
            part = hidden if name.columns is None else hidden[..., name.columns]
            width = part.shape[-1]
            if width in self.widths or (name.stream and width > min(self.widths)):
                self._copy(Label(name, layer, transforms), part)

    def _copy(self, label: Label, hidden: Tensor) -> None:
        """Copy the tensor, unless it was copied in this block or at the end of the last and not written to since."""
        identity = (hidden.data_ptr(), hidden.shape[-1], -1 if hidden.is_inference() else hidden._version)
        if identity in self.copied and not hidden.is_inference():
            self.copied[identity][1].labels.append(label)
            return
        self.block.append(Candidate([label], hidden.detach().to(self.device, copy=True)))
        self.copied[identity] = (hidden, self.block[-1])

    def _hand_over(self) -> None:
        """The next block receives the last tensor of this one, so that one is remembered."""
        block, self.block = self.block, []
        self.copied = dict(list(self.copied.items())[-1:])
        if block:
            self.on_block(block)
