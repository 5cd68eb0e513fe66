"""Which module of a model gives which named tensors: every stream by its name, every other output by its path."""

from dataclasses import dataclass, field

from torch import nn

from steering_core.models.architectures import Tap
from steering_core.models.model import LoadedModel
from steering_core.models.sites import STREAMS, Site


@dataclass(frozen=True)
class Label:
    """What a tensor is called. site: None for a module output that is no stream. transform: what was done to it."""

    name: str
    site: Site | None = None
    transform: str = "none"

    def changed(self, transform: str) -> "Label":
        """The name of the same tensor after (or before) something was done to it."""
        return Label(f"{self.name} {transform}", self.site, transform)


@dataclass(frozen=True, eq=False)
class Name:
    """What a tensor is called in every block. text: for what is no stream. columns: those that bear the name, if not all."""

    stream: str = ""
    text: str = ""
    columns: slice | None = None

    def label(self, layer: int) -> Label:
        """The name in one block."""
        site = Site(self.stream, layer) if self.stream else None
        return Label(str(site) if site else self.text.format(layer=layer), site)


Names = list[tuple[Name, int, str]]
"""All names of one tensor: each with the block, and what was done to it ("" for nothing)."""


def labels_of(names: Names) -> list[Label]:
    """The names in full."""
    found = [(name.label(layer), transform) for name, layer, transform in names]
    return [label.changed(transform) if transform else label for label, transform in found]


@dataclass(eq=False)
class View:
    """How a module is looked at: names of what it receives and returns. complete: its return ends a block."""

    received: list[Name] = field(default_factory=list)
    returned: list[Name] = field(default_factory=list)
    complete: bool = False


Views = dict[nn.Module, tuple[View, int]]
"""With the block that a module is in."""


def views(model: LoadedModel, widths: set[int]) -> Views:
    """The embedding, every module of every block, and the final norm.

    widths: numbers of features that are looked for; narrower streams and outputs of other widths are left out.
    """
    table, last = model.architecture, model.spec.layers - 1
    known = _streams(model, widths)
    found: Views = {
        model.module_at(table.embedding): (View(returned=[Name(text="the embedding output")], complete=True), 0)
    }
    for layer, block in enumerate(model.blocks):
        for path, module in block.named_modules():
            if path not in known and getattr(module, "out_features", None) in {None, *widths}:
                known[path] = View(returned=[_output(table.blocks, path)])
            if path in known:
                found[module] = known[path], layer
    return found | {model.module_at(table.final_norm): (View(returned=[Name("final_norm")], complete=True), last)}


def _streams(model: LoadedModel, widths: set[int]) -> dict[str, View]:
    """The modules of a block that give streams, by their path in it; the block itself is ""."""
    found = {"": View(complete=True)}
    narrow = model.spec.kv_heads * model.spec.head_dim < min(widths)
    for stream, tap in model.architecture.taps.items():
        if stream in STREAMS and not (narrow and stream in {"k", "v"}):
            view = found.setdefault(_inside(tap, model.architecture.blocks), View())
            columns = model.columns(Site(stream, 0)) if tap.part else None
            (view.received if tap.side == "input" else view.returned).append(Name(stream, columns=columns))
    for path, view in found.items():
        if all(name.columns is not None for name in view.returned):
            view.returned.append(_output(model.architecture.blocks, path))
    return found


def _output(blocks: str, path: str) -> Name:
    return Name(text=f"the output of {blocks}.{{layer}}.{path}")


def _inside(tap: Tap, blocks: str) -> str:
    """A tap's path inside its block, "" for the block itself."""
    return tap.path.removeprefix(f"{blocks}.{{layer}}").removeprefix(".")
