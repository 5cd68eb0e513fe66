"""What the machine must have for a run: CUDA, enough memory, the libraries that an option needs."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from steering_core.errors import UsageProblem
from steering_core.models.memory import weights_bytes
from steering_core.models.registry import ModelSpec

GIGA = 1e9


def check_machine(specs: Sequence[ModelSpec], options: Any) -> list[str]:
    """What the machine lacks; UsageProblem for options that contradict each other or need a missing library."""
    check_placement(options)
    if options.quantize and find_spec("bitsandbytes") is None:
        sentence = f"--quantize {options.quantize} needs bitsandbytes, which is not installed"
        raise UsageProblem("quantize", sentence, "pip install bitsandbytes")
    if options.exact and options.gpu and find_spec("triton") is None:
        sentence = "--exact on a GPU needs triton, which is not installed"
        raise UsageProblem("exact", sentence, "CUDA builds of torch include it")
    if options.gpu and not has_cuda():
        return ["no CUDA device for --gpu"]
    room = gpu_bytes(spread=bool(options.device_map)) if options.gpu else machine_bytes()
    for spec in specs:
        check_memory(spec, options, room)
    return []


def check_placement(options: Any) -> None:
    """UsageProblem for --device-map or --quantize where they have no meaning."""
    if options.random_weights and (options.device_map or options.quantize):
        hint = "they need a checkpoint: python -m parity.benchmark.checkpoints KEY DIR, then --model-path KEY=DIR"
        raise UsageProblem("random-weights", "--random-weights are built on one device and in one dtype", hint)
    if options.device_map and not options.gpu:
        raise UsageProblem("device-map", "--device-map spreads a model over GPUs", "give --gpu too")
    if options.device_map and (getattr(options, "numprocesses", None) or 0) > 1:
        sentence = "--device-map gives one model every GPU, and workers would share them"
        raise UsageProblem("device-map", sentence, "leave -n out")


def check_memory(spec: ModelSpec, options: Any, room: int) -> None:
    """UsageProblem when a model's weights alone are more than all the memory there is, in bytes."""
    dtype = options.dtype or spec.dtype
    if (needed := weights_bytes(spec, dtype, options.quantize)) > room:
        where = "the GPUs have" if options.device_map else "the GPU has" if options.gpu else "this machine has"
        needs = f"its weights take {needed / GIGA:.1f} GB in {options.quantize or dtype}"
        hint = "--dtype bfloat16, --quantize nf4, --device-map auto over several GPUs, or a larger machine"
        raise UsageProblem("out-of-memory", f"{spec.key}: {needs}, {where} {room / GIGA:.1f} GB", hint)


def has_cuda() -> bool:
    """Whether torch sees a GPU; torch is imported only when --gpu asks for one."""
    import torch

    return torch.cuda.is_available()


def gpu_bytes(spread: bool) -> int:
    """Memory of the smallest GPU, or of all together when a model is spread over them."""
    import torch

    sizes = [int(torch.cuda.get_device_properties(n).total_memory) for n in range(torch.cuda.device_count())]
    return sum(sizes) if spread else min(sizes)


def machine_bytes() -> int:
    """Main memory of this machine."""
    import os

    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
