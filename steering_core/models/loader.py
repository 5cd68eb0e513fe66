"""The transformers side of loading: config, tokenizer and weights; every failure one clear line."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from steering_core.errors import LoadProblem
from steering_core.models.checkpoint import check_vocabulary
from steering_core.models.registry import ModelSpec
from steering_core.models.shapes import check_shape, complete_shape, random_config
from steering_core.models.tokens import chat_ids


@dataclass(frozen=True)
class Placement:
    """In which form weights are loaded, and where to. device_map "auto" spreads them over all GPUs; attention "" is the
    family's own implementation; quantize "int8" or "nf4" is done by bitsandbytes, `dtype` is that of the activations."""

    dtype: torch.dtype
    device: str
    attention: str = ""
    device_map: str = ""
    quantize: str = ""

    @property
    def quantization(self) -> Any:
        """bitsandbytes' settings; None for weights as they are."""
        if self.quantize == "int8":
            return BitsAndBytesConfig(load_in_8bit=True)
        if self.quantize == "nf4":
            return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=self.dtype)
        return None


def torch_dtype(name: str) -> torch.dtype:
    """`bfloat16` -> torch.bfloat16; the registry has checked the name."""
    return cast("torch.dtype", getattr(torch, name))


def prefer_repeatable_kernels() -> None:
    """Leave cuDNN's attention out: on an H200 it gave other tokens at every call (Qwen2.5-7B shape, bfloat16, from 128
    keys on), while the other kernels repeat bit for bit. A tool cannot be judged against a reference that drifts."""
    torch.backends.cuda.enable_cudnn_sdp(False)


def check_loaded_config(spec: ModelSpec, source: str) -> None:
    """What transformers makes of the checkpoint's config has the family and shape of the row."""
    check_shape(spec, complete_shape(_config(spec, source).to_dict()))


def read_tokenizer(spec: ModelSpec, source: str) -> Any:
    """The checkpoint's tokenizer, with a chat template that renders, and no id outside the model's vocabulary."""
    try:
        tokenizer = _read(AutoTokenizer, spec, source)
        if not chat_ids(tokenizer, "Hello"):
            raise ValueError("a turn becomes no tokens")
    except Exception as error:  # transformers raises many kinds here; all of them mean the same to the reader
        raise LoadProblem(
            "tokenizer", f"{spec.key}: tokenizer or chat template of {source} fails: {_brief(error)}",
            "a directory with tokenizer.json, tokenizer_config.json and a chat template is expected",
        ) from error  # fmt: skip
    check_vocabulary(spec, max(tokenizer.get_vocab().values()))
    return tokenizer


def read_weights(spec: ModelSpec, source: str, placement: Placement) -> Any:
    """The checkpoint as a model; LoadProblem for weights that are missing, of another shape, or too large."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # every int8 product says that it is done in float16
    try:
        with _fitting(spec, placement), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module, info = _read(
                AutoModelForCausalLM, spec, source, dtype=placement.dtype, use_safetensors=True,
                attn_implementation=placement.attention or None, quantization_config=placement.quantization,
                output_loading_info=True, device_map=placement.device_map or {"": placement.device},
            )  # fmt: skip
    except LoadProblem:
        raise
    except Exception as error:
        raise LoadProblem(
            "weights", f"{spec.key}: weights at {source} cannot be read: {_brief(error)}", "complete safetensors files"
        ) from error
    if bad := sorted(info["missing_keys"]) + sorted(info["mismatched_keys"]):
        raise LoadProblem(
            "weights", f"{spec.key}: {source} lacks weights, first {bad[0]}", "expected a complete checkpoint"
        )
    check_placed(spec, list(getattr(module, "hf_device_map", {}).values()))
    if placement.quantize:
        settle_quantized(module)
    return module


def random_weights(spec: ModelSpec, placement: Placement) -> Any:
    """The row's architecture and shape, built straight on the device; the same seeded weights at every call."""
    config = random_config(spec)
    torch.manual_seed(0)
    with _fitting(spec, placement), torch.device(placement.device):
        return AutoModelForCausalLM.from_config(
            config, dtype=placement.dtype, attn_implementation=placement.attention or None
        )


def check_placed(spec: ModelSpec, devices: Sequence[Any]) -> None:
    """LoadProblem when a device map left a part of the model beside its GPUs, where it would be swapped in and out."""
    places = {str(device) for device in devices}
    if (left := places & {"cpu", "disk"}) and places - left:
        raise LoadProblem(
            "out-of-memory", f"{spec.key} does not fit on the GPUs: parts of it were left on {' and '.join(sorted(left))}",
            "more GPUs, a smaller dtype, or --quantize nf4",
        )  # fmt: skip


def settle_quantized(module: Any) -> None:
    """Bring quantized weights into the form in which they stay, so that no tool is blamed for changing them.

    bitsandbytes rewrites them at the first forward: int8 ones move between attributes; on CPUs with AVX-512 bf16, 4-bit
    ones are packed anew, for widths divisible by 32 only.
    """
    for part in module.modules():
        if hasattr(part, "support_avx512bf16_for_cpu"):
            part.support_avx512bf16_for_cpu = False
    with torch.no_grad():
        module.eval()(torch.zeros(1, 1, dtype=torch.long, device=module.get_input_embeddings().weight.device))


@contextmanager
def _fitting(spec: ModelSpec, placement: Placement) -> Iterator[None]:
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        where = "all GPUs together" if placement.device_map else placement.device
        raise LoadProblem(
            "out-of-memory", f"{spec.key} does not fit on {where}",
            "a smaller dtype, --quantize nf4, --device-map auto over several GPUs, or a larger GPU",
        ) from error  # fmt: skip


def cached(spec: ModelSpec, source: str) -> Path:
    """Where the hub's cache on this machine holds a repository."""
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(source, revision=spec.revision, local_files_only=True))


def _read(kind: Any, spec: ModelSpec, source: str, **options: Any) -> Any:
    """From this machine only, and without running code that came with a checkpoint."""
    return kind.from_pretrained(
        source, revision=spec.revision, trust_remote_code=False, local_files_only=True, **options
    )


def _config(spec: ModelSpec, source: str) -> Any:
    try:
        return _read(AutoConfig, spec, source)
    except Exception as error:
        raise LoadProblem(
            "no-checkpoint", f"{spec.key}: no usable config at {source}: {_brief(error)}",
            f"give --model-path {spec.key}=DIR, or --random-weights",
        ) from error  # fmt: skip


def _brief(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
