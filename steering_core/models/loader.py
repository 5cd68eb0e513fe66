"""The transformers side of loading: config, tokenizer and weights; every failure is one clear line."""

import logging
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from steering_core.activity import activity
from steering_core.errors import LoadProblem, first_line
from steering_core.models.checkpoint import check_vocabulary
from steering_core.models.compatibility import (
    HAS_ACCELERATE,
    READS_V5_FILES,
    default_attention,
    dtype_option,
    is_v5_tokenizer,
    read_v5_tokenizer,
    rope_config,
)
from steering_core.models.hub import SMALL, cached_folder
from steering_core.models.random_mark import RANDOM_SEED
from steering_core.models.reading import reading
from steering_core.models.registry import ModelSpec
from steering_core.models.shapes import check_shape, complete_shape, random_config
from steering_core.models.tokens import chat_ids


@dataclass(frozen=True)
class Placement:
    """How weights are loaded, and where. device_map "auto" spreads them over all GPUs; attention "" is the family's
    default implementation; quantize "int8" or "nf4" is done by bitsandbytes; `dtype` is that of the activations."""

    dtype: torch.dtype
    device: str
    attention: str = ""
    device_map: str = ""
    quantize: str = ""

    @property
    def quantization(self) -> Any:
        """bitsandbytes' settings; None for weights that are not quantized."""
        if self.quantize == "int8":
            return BitsAndBytesConfig(load_in_8bit=True)
        if self.quantize == "nf4":
            return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=self.dtype)
        return None

    @property
    def mapped(self) -> dict[str, Any]:
        """The device map as an argument of `from_pretrained`: weights go where they belong as they are read. {} for one
        device without accelerate, which transformers needs for that."""
        if self.device_map or self.quantize or HAS_ACCELERATE:
            return {"device_map": self.device_map or {"": self.device}}
        return {}


def check_loaded_config(spec: ModelSpec, source: str) -> None:
    """The checkpoint's config, as transformers reads it, has the family and shape of the row."""
    try:
        config = _read(AutoConfig, spec, source)
    except Exception as error:
        sentence = f"{spec.key}: no usable config at {source}: {first_line(error)}"
        hint = f"give --model-path {spec.key}=DIR, or --random-weights"
        raise LoadProblem("no-checkpoint", sentence, hint) from error
    check_shape(spec, complete_shape(config.to_dict()))


def read_tokenizer(spec: ModelSpec, source: str) -> Any:
    """The checkpoint's tokenizer, with a chat template that renders, and no id outside the model's vocabulary."""
    try:
        tokenizer = _tokenizer(spec, source)
        if not chat_ids(tokenizer, "Hello"):
            raise ValueError("a turn becomes no tokens")
    except Exception as error:  # transformers raises many types here; the reader needs only the message
        sentence = f"{spec.key}: tokenizer or chat template of {source} fails: {first_line(error)}"
        hint = "a directory with tokenizer.json, tokenizer_config.json and a chat template is expected"
        raise LoadProblem("tokenizer", sentence, hint) from error
    check_vocabulary(spec, max(tokenizer.get_vocab().values()))
    return tokenizer


def _tokenizer(spec: ModelSpec, source: str) -> Any:
    if READS_V5_FILES:
        return _read(AutoTokenizer, spec, source)
    folder = _folder(spec, source)
    return read_v5_tokenizer(folder) if folder and is_v5_tokenizer(folder) else _read(AutoTokenizer, spec, source)


def _folder(spec: ModelSpec, source: str) -> Path | None:
    """The directory of a source, which may be in the hub's cache."""
    return Path(source) if Path(source).is_dir() else cached_folder(source, spec.revision, SMALL)


def read_weights(spec: ModelSpec, source: str, placement: Placement) -> Any:
    """The checkpoint as a model; LoadProblem for weights that are missing, of another shape, or too large."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it warns at every int8 product
    options: dict[str, Any] = {**dtype_option(placement.dtype), "quantization_config": placement.quantization}
    options |= {"attn_implementation": placement.attention or None, "use_safetensors": True}
    options |= {**placement.mapped, "output_loading_info": True}
    try:
        with (
            _fitting(spec, placement),
            reading(spec.key, _folder(spec, source)),
            warnings.catch_warnings(action="ignore"),
        ):
            if not READS_V5_FILES:
                options["config"] = config = rope_config(_read(AutoConfig, spec, source))
                options["attn_implementation"] = placement.attention or default_attention(config)
            module, info = _read(AutoModelForCausalLM, spec, source, **options)
            if not placement.mapped:
                module.to(placement.device)
    except LoadProblem:
        raise
    except Exception as error:
        sentence = f"{spec.key}: weights at {source} cannot be read: {first_line(error)}"
        raise LoadProblem("weights", sentence, "complete safetensors files") from error
    if bad := sorted(info["missing_keys"]) + sorted(info["mismatched_keys"]):
        sentence = f"{spec.key}: {source} lacks weights, first {bad[0]}"
        raise LoadProblem("weights", sentence, "expected a complete checkpoint")
    check_placed(spec, list(getattr(module, "hf_device_map", {}).values()))
    if placement.quantize:
        settle_quantized(module)
    return module


def random_weights(spec: ModelSpec, placement: Placement) -> Any:
    """The row's architecture and shape, built on the device with the same seeded weights at every call."""
    torch.manual_seed(RANDOM_SEED)
    with (
        activity(f"drawing the random weights of {spec.key}"),
        _fitting(spec, placement),
        torch.device(placement.device),
    ):
        return _built(random_config(spec), placement)


def without_weights(spec: ModelSpec, source: str, placement: Placement) -> Any:
    """The checkpoint's modules on the meta device, to be given weights; source "": the row's architecture and shape."""
    with torch.device("meta"):
        return _built(_read(AutoConfig, spec, source) if source else random_config(spec), placement)


def _built(config: Any, placement: Placement) -> Any:
    attention = placement.attention or default_attention(config)
    return AutoModelForCausalLM.from_config(config, attn_implementation=attention, **dtype_option(placement.dtype))


def check_placed(spec: ModelSpec, devices: Sequence[Any]) -> None:
    """LoadProblem when a device map left a part of the model outside the GPUs, to be swapped in and out."""
    places = {str(device) for device in devices}
    if (outside := places & {"cpu", "disk"}) and places - outside:
        left_on = " and ".join(sorted(outside))
        sentence = f"{spec.key} does not fit on the GPUs: parts of it were left on {left_on}"
        raise LoadProblem("out-of-memory", sentence, "more GPUs, a smaller dtype, or --quantize nf4")


def settle_quantized(module: Any) -> None:
    """Bring quantized weights into their final form, so that no tool is blamed for changing them.

    bitsandbytes rewrites them at the first forward: int8 weights move between attributes; on CPUs with AVX-512 bf16,
    4-bit weights whose width divides by 32 are repacked.
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
        traceback.clear_frames(error.__traceback__)  # the error is kept, and must not keep what was loaded so far
        where = "all GPUs together" if placement.device_map else placement.device
        hint = "a smaller dtype, --quantize nf4, --device-map auto over several GPUs, or a larger GPU"
        raise LoadProblem("out-of-memory", f"{spec.key} does not fit on {where}", hint) from error


def _read(kind: Any, spec: ModelSpec, source: str, **options: Any) -> Any:
    """From this machine only, and without running code that came with a checkpoint."""
    return kind.from_pretrained(
        source, revision=spec.revision, trust_remote_code=False, local_files_only=True, **options
    )
