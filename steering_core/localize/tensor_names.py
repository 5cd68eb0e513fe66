"""Which tensors of a forward pass are searched, and their names: streams by name, other outputs by module path."""

from dataclasses import dataclass, field
from typing import NamedTuple

from torch import nn

from steering_core.models.architectures import Tap
from steering_core.models.model import LoadedModel
from steering_core.models.sites import STREAMS, Site


@dataclass(frozen=True, eq=False)
class TensorName:
    """A tensor's name in every block: a stream, or else `text`. columns: those that carry it, if not all."""

    stream: str = ""
    text: str = ""
    columns: slice | None = None


class Label(NamedTuple):
    """A tensor's name in one block. transforms: how it differs from what the module at that place returned."""

    tensor: TensorName
    layer: int
    transforms: tuple[str, ...] = ()

    @property
    def site(self) -> Site | None:
        """None for a module output that is not a stream."""
        return Site(self.tensor.stream, self.layer) if self.tensor.stream else None

    @property
    def text(self) -> str:
        """`resid_post@3 after the final norm`."""
        name = str(self.site or self.tensor.text.format(layer=self.layer))
        return f"{name} {', '.join(self.transforms)}".rstrip()


@dataclass(eq=False)
class ModuleTensors:
    """Names of what a module receives and returns. ends_block: its output completes a block."""

    received: list[TensorName] = field(default_factory=list)
    returned: list[TensorName] = field(default_factory=list)
    ends_block: bool = False


def searched_modules(model: LoadedModel, widths: set[int]) -> dict[nn.Module, tuple[ModuleTensors, int]]:
    """module -> its tensors and its block, for the embedding, every module of every block, and the final norm.

    widths: numbers of features to look for; narrower streams and outputs of other widths are left out.
    """
    table, by_path = model.architecture, _stream_modules(model, widths)
    embedding = ModuleTensors(returned=[TensorName(text="the embedding output")], ends_block=True)
    modules: dict[nn.Module, tuple[ModuleTensors, int]] = {model.module_at(table.embedding): (embedding, 0)}
    for layer, block in enumerate(model.blocks):
        for path, module in block.named_modules():
            if path not in by_path and getattr(module, "out_features", None) in {None, *widths}:
                by_path[path] = ModuleTensors(returned=[_output(table.blocks, path)])
            if path in by_path:
                modules[module] = by_path[path], layer
    final_norm = ModuleTensors(returned=[TensorName("final_norm")], ends_block=True)
    return modules | {model.module_at(table.final_norm): (final_norm, model.spec.layers - 1)}


def _stream_modules(model: LoadedModel, widths: set[int]) -> dict[str, ModuleTensors]:
    """The modules of a block that carry streams, by their path in it; the block itself is ""."""
    blocks, by_path = model.architecture.blocks, {"": ModuleTensors(ends_block=True)}
    narrow = model.spec.kv_heads * model.spec.head_dim < min(widths)
    for stream, tap in model.architecture.taps.items():
        if stream in STREAMS and not (narrow and stream in {"k", "v"}):
            tensors = by_path.setdefault(_path_in_block(tap, blocks), ModuleTensors())
            columns = model.columns(Site(stream, 0)) if tap.part else None
            names = tensors.received if tap.side == "input" else tensors.returned
            names.append(TensorName(stream, columns=columns))
    for path, tensors in by_path.items():
        if all(name.columns is not None for name in tensors.returned):
            tensors.returned.append(_output(blocks, path))
    return by_path


def _output(blocks: str, path: str) -> TensorName:
    return TensorName(text=f"the output of {blocks}.{{layer}}.{path}")


def _path_in_block(tap: Tap, blocks: str) -> str:
    return tap.path.removeprefix(f"{blocks}.{{layer}}").removeprefix(".")
