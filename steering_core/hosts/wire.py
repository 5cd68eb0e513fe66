"""What travels between the judging process and a tool's process: JSON and safetensors, never a pickle.

A frame is two lengths (8 bytes each, big-endian), a JSON text, and the tensors that it names, as one safetensors blob.
Only plain values, tensors and the data classes listed here can be read back, so an answer can hold no code.
"""

import json
import struct
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from safetensors.torch import load, save

from steering_core.models.model import LoadRequest
from steering_core.models.registry import ModelSpec
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.models.transfers import on_cpu
from steering_core.observe.arrival import Arrival
from steering_core.observe.aspects import LeftChanged
from steering_core.observe.observed_generation import ObservedGeneration
from steering_core.tools.edits import Ablate, Add, Affine, Interpolate, Scale, Set, Span
from steering_core.tools.tool import ToolVersion

LENGTHS = struct.Struct(">QQ")
LARGEST = 64 << 30
"""Bytes; a longer frame is nonsense."""
TOGETHER = 16 << 20
"""Bytes of tensors that are moved from a GPU at once."""
KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        *(Ablate, Add, Affine, Interpolate, Scale, Set, Span),
        *(Arrival, LeftChanged, LoadRequest, ModelSpec, ObservedGeneration, Site, TokenBatch, ToolVersion),
    )
}


class Nonsense(ValueError):
    """Bytes that are no frame, or a frame that holds something else than data."""


def encode(value: Any) -> bytes:
    """One value as a frame; TypeError for anything but plain values, tensors and the listed data classes."""
    tensors: list[torch.Tensor] = []
    text = json.dumps(_plain(value, tensors)).encode()
    blob = save({str(number): tensor for number, tensor in enumerate(_sendable(tensors))}) if tensors else b""
    return LENGTHS.pack(len(text), len(blob)) + text + blob


def lengths(head: bytes) -> tuple[int, int]:
    """(bytes of text, bytes of tensors) of the frame that begins with these bytes."""
    text, blob = LENGTHS.unpack(head)
    if text + blob > LARGEST:
        raise Nonsense(f"a message of {text + blob} bytes")
    return text, blob


def decode(text: bytes, blob: bytes) -> Any:
    """The value of a frame's two parts; tensors are on the CPU. Nonsense for anything that `encode` does not write."""
    try:
        tensors = load(blob) if blob else {}
        return _value(json.loads(text), tensors)
    except Exception as error:  # whatever the bytes are, the reader needs one kind of error
        raise Nonsense(f"{type(error).__name__}: {error}") from None


def _sendable(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    """Contiguous copies on the CPU. Those of a small message come from a GPU at once; a large one would need the memory
    for another copy there."""
    if sum(tensor.nbytes for tensor in tensors) <= TOGETHER:
        return [tensor.clone() for tensor in on_cpu(tensors)]
    return [tensor.detach().to("cpu", copy=True).contiguous() for tensor in tensors]


def _plain(value: Any, tensors: list[torch.Tensor]) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, torch.Tensor):
        tensors.append(value)
        return {"tensor": str(len(tensors) - 1)}
    if isinstance(value, list | tuple | range):
        return {type(value).__name__.replace("range", "list"): [_plain(item, tensors) for item in value]}
    if isinstance(value, dict):
        return {"dict": [[_plain(key, tensors), _plain(item, tensors)] for key, item in value.items()]}
    if is_dataclass(value) and KINDS.get(type(value).__name__) is type(value):
        parts = {field.name: _plain(getattr(value, field.name), tensors) for field in fields(value)}
        return {"kind": type(value).__name__, "fields": parts}
    raise TypeError(f"a {type(value).__qualname__} cannot be sent")


def _value(item: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if not isinstance(item, dict):
        if isinstance(item, list):
            raise Nonsense("a bare list")
        return item
    if "tensor" in item:
        return tensors[item["tensor"]]
    if "list" in item:
        return [_value(part, tensors) for part in item["list"]]
    if "tuple" in item:
        return tuple(_value(part, tensors) for part in item["tuple"])
    if "dict" in item:
        return {_value(key, tensors): _value(part, tensors) for key, part in item["dict"]}
    return KINDS[item["kind"]](**{name: _value(part, tensors) for name, part in item["fields"].items()})
