"""One copy of the weights on a GPU for the judging process and all tools' processes, by CUDA's inter-process handles.

The judging process describes each tensor in plain data; a tool's process builds the model without weights and puts the
tensors in place. Nothing is pickled.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing import reductions
from transformers import GenerationConfig

from steering_core.models.model import LoadedModel, LoadRequest

Shared = dict[str, Any]
"""tensors: one description per tensor; places: [dotted name, number of its tensor, "parameter", "buffer" or
"attribute"]; device_map and generation_config: as the loaded model has them."""
NAMES = (
    *("size", "stride", "offset", "dtype", "device", "handle", "bytes", "start"),
    *("counter", "counter_start", "event", "synchronize"),
)
"""The arguments of torch's `rebuild_cuda_tensor` that differ from tensor to tensor."""


def can_share(request: LoadRequest) -> bool:
    """Whether tools' processes share the weights: on one GPU, unless they are quantized (their state is not only tensors)."""
    return request.device.startswith("cuda") and not request.quantize and not request.device_map


def share(model: LoadedModel) -> Shared:
    """Describe the tensors of a model on a GPU; the model must outlive the processes that use them."""
    numbers: dict[int, int] = {}
    tensors: list[dict[str, Any]] = []
    places = []
    for name, tensor, kind in _held(model.module):
        if id(tensor) not in numbers:
            numbers[id(tensor)] = len(tensors)
            tensors.append(_described(tensor.detach()))
        places.append([name, numbers[id(tensor)], kind])
    placed = getattr(model.module, "hf_device_map", None)
    device_map = None if placed is None else {name: str(device) for name, device in placed.items()}
    defaults = model.module.generation_config.to_dict()
    plain = {name: value for name, value in defaults.items() if isinstance(value, bool | int | float | str | list)}
    return {"tensors": tensors, "places": places, "device_map": device_map, "generation_config": plain}


def adopt(request: LoadRequest, shared: Mapping[str, Any]) -> LoadedModel:
    """The model around the tensors that another process described."""
    module = request.without_weights()
    tensors = [_opened(description) for description in shared["tensors"]]
    parameters: dict[int, nn.Parameter] = {}
    for name, number, kind in shared["places"]:
        path, _, leaf = name.rpartition(".")
        part = module.get_submodule(path)
        if kind == "parameter":
            value = parameters.setdefault(number, nn.Parameter(tensors[number], requires_grad=False))
            part.register_parameter(leaf, value)
        else:
            vars(part).pop(leaf, None) if kind == "attribute" else None
            setattr(part, leaf, tensors[number])
    module.generation_config = GenerationConfig.from_dict(shared["generation_config"])
    if shared["device_map"] is not None:
        module.hf_device_map = shared["device_map"]
    if left := [name for name, tensor, _ in _held(module) if tensor.is_meta]:
        raise RuntimeError(f"{left[0]} has no value")
    return request.around(module)


def _held(module: nn.Module) -> Iterator[tuple[str, Tensor, str]]:
    """Every tensor of a model: parameters, buffers, and tensors that a module keeps as a plain attribute."""
    for path, part in module.named_modules():
        prefix = f"{path}." if path else ""
        groups = {"parameter": part._parameters, "buffer": part._buffers, "attribute": vars(part)}
        for kind, group in groups.items():
            for name, value in group.items():
                if isinstance(value, Tensor):
                    yield f"{prefix}{name}", value, kind


def _described(tensor: Tensor) -> dict[str, Any]:
    """The arguments of torch's own `rebuild_cuda_tensor` as plain data; a tensor on the CPU as it is."""
    if tensor.device.type != "cuda":
        return {"value": tensor}
    _, (_, size, stride, offset, _, dtype, *rest) = reductions.reduce_tensor(tensor)
    device, handle, length, start, _, *counters = rest
    values = (list(size), list(stride), offset, str(dtype), device, handle, length, start, *counters)
    return {name: _text(value) for name, value in zip(NAMES, values, strict=True)}


def _opened(description: Mapping[str, Any]) -> Tensor:
    """The tensor in this process; it lies in the other's memory."""
    if "value" in description:
        value: Tensor = description["value"]
        return value
    part = {name: _bytes(value) for name, value in description.items()}
    rebuilt: Tensor = reductions.rebuild_cuda_tensor(  # type: ignore[call-arg]
        torch.Tensor,
        torch.Size(part["size"]),
        tuple(part["stride"]),
        part["offset"],
        torch.storage.TypedStorage,
        getattr(torch, part["dtype"].removeprefix("torch.")),
        *(part[name] for name in ("device", "handle", "bytes", "start")),
        False,
        *(part[name] for name in ("counter", "counter_start", "event", "synchronize")),
    )
    return rebuilt


def _text(value: Any) -> Any:
    return {"hex": value.hex()} if isinstance(value, bytes) else value


def _bytes(value: Any) -> Any:
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value
