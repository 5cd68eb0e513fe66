"""Small random models of every family, with weights large enough that the generated tokens vary."""

from typing import Any

import torch
from tokenizers import Tokenizer, models
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from steering_core.models.model import LoadedModel
from steering_core.models.registry import ModelSpec
from steering_core.models.shapes import random_config
from steering_core.models.sites import STREAMS, Site
from steering_core.models.tokens import Side, TokenBatch, pad

FAMILIES = ("qwen2", "gemma2", "llama", "mistral", "phi3", "qwen3", "gemma3_text", "gpt2")
VOCAB, LAYERS = 97, 3


def random_model(family: str, dtype: torch.dtype = torch.float32) -> LoadedModel:
    """The same weights on every call; no end-of-sequence token. Projections are narrower or wider than the stream."""
    spec = random_spec(family)
    config = random_config(spec)
    config.bos_token_id = config.eos_token_id = None
    module = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(0)
    for name, parameter in module.named_parameters():
        scale = 0.2 if "embed" in name or "wte" in name else 0.5
        parameter.data = scale * torch.randn(parameter.shape, generator=generator)
    module.to(dtype).requires_grad_(False)
    module.generation_config.eos_token_id, module.generation_config.pad_token_id = None, 0
    vocabulary = models.WordLevel({f"w{index}": index for index in range(VOCAB)}, unk_token="w3")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(vocabulary), pad_token="w0", eos_token="w1")
    return LoadedModel(module, tokenizer, spec, torch.device("cpu"), dtype, "random weights")


def random_spec(family: str) -> ModelSpec:
    """Four heads of 16; the stream has their 64 channels where the family requires it, else 48."""
    size: dict[str, Any] = {"layers": LAYERS, "hidden": 64 if family in {"qwen2", "phi3", "gpt2"} else 48, "mlp": 80}
    heads = {"heads": 4, "kv_heads": 4 if family == "gpt2" else 2, "head_dim": 16}
    use: dict[str, Any] = {"dtype": "float32", "multiplier": 1.0, "layer": 1, "tiny": True}
    key = f"random_{family}"
    return ModelSpec(key=key, source="", family=family, vocab=VOCAB, tied=False, **size, **heads, **use)


def prompts(rows: int, side: Side = "left") -> TokenBatch:
    """Rows of different lengths; the longest has no padding."""
    generator = torch.Generator().manual_seed(1)
    lengths = (7, 4, 9)[:rows]
    return pad([torch.randint(3, VOCAB, (length,), generator=generator).tolist() for length in lengths], 0, side)


def every_site(model: LoadedModel) -> list[Site]:
    """Every stream at every block, not in the order of computation, then the final norm."""
    streams = [stream for stream in STREAMS if stream in model.architecture.taps]
    last = model.spec.layers - 1
    return [Site(stream, layer) for stream in streams for layer in range(last + 1)] + [Site("final_norm", last)]
