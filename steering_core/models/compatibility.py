"""What differs between the releases of transformers that a tool may run under, 4.49 to 5.x, each with its release.

No other file asks for a version or for an optional library. Imports nothing but transformers and what it depends on.
"""

import inspect
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import transformers
from packaging.version import Version
from transformers import GenerationConfig, PreTrainedTokenizerFast

from steering_core.models.chat_template import find_template

RELEASE = Version(transformers.__version__)
READS_V5_FILES = RELEASE.major >= 5
"""Configs and tokenizers that transformers 5 wrote need `rope_config` and `read_v5_tokenizer` before release 5."""
DTYPE = "dtype" if Version("4.56") <= RELEASE else "torch_dtype"
"""The argument of `from_pretrained` and `from_config` that names the dtype; renamed in 4.56."""
HAS_ACCELERATE = find_spec("accelerate") is not None
"""Without accelerate, no release of transformers reads weights with a device map."""
TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token", "mask_token")
SETTINGS = ("model_max_length", "padding_side", "truncation_side", "clean_up_tokenization_spaces")


def last_logits_only(module: Any) -> dict[str, int]:
    """The keyword that limits a forward's logits to the last token; {} for a class that computes all of them.

    GPT-2 has none in 4.49; before 4.45 no model had.
    """
    return {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(type(module).forward).parameters else {}


def chunked_prefill_problem() -> str | None:
    """None, or why generation cannot feed a prompt in chunks. An older release ignores the setting in silence."""
    if hasattr(GenerationConfig(), "prefill_chunk_size"):
        return None
    return f"transformers {RELEASE} has no chunked prefill"


def keep_stated_settings(module: Any) -> None:
    """Make `generate` take the generation settings that it is given.

    Releases 4.50 to 4.57 replace each one that equals transformers' default by the checkpoint's own, a repetition penalty
    too, without a word, unless the checkpoint says that it was saved before 4.50.
    """
    if Version("4.50") <= RELEASE < Version("5"):
        module.generation_config.transformers_version = "4.49.0"


def cache_option(module: Any) -> dict[str, str]:
    """The cache that a model family needs, as a generation setting; {} for the default one.

    Before release 5, Gemma-2 states it in its config and fails with the default cache beyond its sliding window;
    generation settings of one's own, and those that transformers 5 wrote, lack it.
    """
    stated = getattr(module.config, "cache_implementation", None) if RELEASE.major < 5 else None
    return {"cache_implementation": stated} if stated else {}


def default_attention(config: Any) -> str | None:
    """The attention to ask for when none is requested; None for the release's own choice.

    Before release 5, Gemma-2 gets PyTorch's kernel by default, which leaves its attention softcap out without a word.
    """
    return "eager" if RELEASE.major < 5 and getattr(config, "attn_logit_softcapping", None) else None


def rope_config(config: Any) -> Any:
    """A config that transformers 5 wrote, with its rotary embedding and windows as release 4 names them; changed in place.

    Release 4 would pass over `rope_parameters` and use its default base. ValueError for what release 4 cannot express.
    """
    parameters = getattr(config, "rope_parameters", None)
    if not parameters:
        return config
    if "full_attention" in parameters:
        local = parameters["sliding_attention"]
        if local.get("rope_type", "default") != "default":
            raise ValueError("sliding_attention has a scaled rotary embedding, which transformers 4 cannot express")
        config.rope_local_base_freq = local["rope_theta"]
        config.sliding_window_pattern = _pattern(config.layer_types)
        parameters = parameters["full_attention"]
    scaling = {name: value for name, value in parameters.items() if name not in {"rope_theta", "partial_rotary_factor"}}
    config.rope_theta = parameters["rope_theta"]
    config.rope_scaling = None if scaling.get("rope_type", "default") == "default" else scaling
    if "partial_rotary_factor" in parameters:
        config.partial_rotary_factor = parameters["partial_rotary_factor"]
    return config


def _pattern(layer_types: list[str]) -> int:
    """n where every n-th block attends to everything; ValueError when blocks do not alternate like that."""
    period = layer_types.index("full_attention") + 1
    expected = ["sliding_attention" if (block + 1) % period else "full_attention" for block in range(len(layer_types))]
    if layer_types != expected:
        raise ValueError("its layer_types do not repeat, which transformers 4 cannot express")
    return period


def is_v5_tokenizer(folder: Path) -> bool:
    """Whether transformers 5 wrote the tokenizer: its class is then one that release 4 lacks or reads differently."""
    settings = folder / "tokenizer_config.json"
    return settings.is_file() and json.loads(settings.read_text(encoding="utf-8")).get("backend") == "tokenizers"


def read_v5_tokenizer(folder: Path) -> Any:
    """The tokenizer of `tokenizer.json`, with the special tokens, settings and chat template that are stated beside it."""
    stated = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    options = {name: _text(stated[name]) for name in TOKENS + SETTINGS if stated.get(name) is not None}
    extra = stated.get("extra_special_tokens") or []
    return PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        chat_template=find_template(folder, stated),
        additional_special_tokens=[_text(token) for token in (extra.values() if isinstance(extra, dict) else extra)],
        **options,
    )


def _text(value: Any) -> Any:
    return value["content"] if isinstance(value, dict) else value


def dtype_option(dtype: torch.dtype) -> dict[str, torch.dtype]:
    """The dtype as an argument of `from_pretrained` and `from_config`."""
    return {DTYPE: dtype}
