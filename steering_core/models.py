"""From a registry row to a real transformers model in memory, checked against the row before use."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from steering_core.architectures import Architecture, architecture_of
from steering_core.errors import LoadProblem
from steering_core.provenance import weights_digest
from steering_core.shapes import check_shape, random_config
from steering_core.sites import Site
from steering_core.specs import ModelSpec
from steering_core.tokens import chat_ids, rendered_ids


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A transformers causal language model with its tokenizer, in eval mode, without gradients.

    origin: directory or hub id it came from, or "random weights". inherit_defaults: keep the checkpoint's own
    generation defaults (the `as_run` preset alone does). use_cache, prefill_chunk: how generation feeds the model;
    steering must not depend on either.
    """

    module: Any
    tokenizer: Any
    spec: ModelSpec
    device: torch.device
    dtype: torch.dtype
    origin: str
    inherit_defaults: bool = False
    use_cache: bool = True
    prefill_chunk: int | None = None

    @property
    def architecture(self) -> Architecture:
        """The stream table of the model's family."""
        return architecture_of(self.spec.family)

    def module_at(self, path: str) -> nn.Module:
        """The submodule at a dotted path."""
        return cast("nn.Module", self.module.get_submodule(path))

    @property
    def blocks(self) -> nn.ModuleList:
        """The decoder blocks, in order."""
        return cast("nn.ModuleList", self.module_at(self.architecture.blocks))

    def columns(self, site: Site) -> slice:
        """Which columns of the tapped tensor belong to the site: all, unless the projection is fused."""
        part = self.architecture.tap(site).part
        if part is None:
            return slice(None)
        query, kv = self.spec.heads * self.spec.head_dim, self.spec.kv_heads * self.spec.head_dim
        return slice(query, query + kv) if part == "k" else slice(query + kv, query + 2 * kv)

    def decoding(self, max_new_tokens: int) -> GenerationConfig:
        """Greedy decoding with every setting said, so that nothing is inherited from the checkpoint by accident."""
        own = self.module.generation_config
        eos, pad = own.eos_token_id, own.pad_token_id
        if pad is None:
            pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else _first(eos)
        if self.inherit_defaults:
            config = GenerationConfig.from_dict(own.to_dict())
            config.update(do_sample=False, max_new_tokens=max_new_tokens, pad_token_id=pad, use_cache=self.use_cache)
            return config
        return GenerationConfig(
            do_sample=False, num_beams=1, temperature=1.0, top_k=50, top_p=1.0, repetition_penalty=1.0,
            no_repeat_ngram_size=0, max_new_tokens=max_new_tokens, min_new_tokens=0, use_cache=self.use_cache,
            prefill_chunk_size=self.prefill_chunk,
            bos_token_id=own.bos_token_id, eos_token_id=eos, pad_token_id=pad, return_dict_in_generate=False,
        )  # fmt: skip

    @contextmanager
    def inference(self) -> Iterator[None]:
        """No gradients; used around every forward of the suite."""
        with torch.no_grad():
            yield

    def chat_ids(self, prompt: str) -> list[int]:
        """Token ids of one user turn, as every tool gets them."""
        return chat_ids(self.tokenizer, prompt)

    def rendered_ids(self, prompt: str) -> list[int]:
        """The same turn rendered to text and read back: what `chat_ids` must equal."""
        return rendered_ids(self.tokenizer, prompt)

    def text(self, ids: Tensor) -> list[str]:
        """Generated ids [batch, new] -> one decoded answer per row, special tokens dropped."""
        return list(self.tokenizer.batch_decode(ids, skip_special_tokens=True))


@dataclass(frozen=True)
class LoadRequest:
    """How to get one model into memory; carried to fresh processes as plain data.

    source: directory or hub id. random_weights: build the registry row's architecture and shape with seeded random
    weights. tokenizer: where the tokenizer comes from, if not from `source`.
    """

    spec: ModelSpec
    source: str
    dtype: str
    device: str = "cpu"
    attention: str = ""
    inherit_defaults: bool = False
    random_weights: bool = False
    tokenizer: str = ""

    def load(self) -> LoadedModel:
        """The model, in eval mode, on its device; LoadProblem says what is wrong with the checkpoint."""
        architecture_of(self.spec.family)
        prefer_repeatable_kernels()
        if self.spec.tiny:
            torch.set_num_threads(1)  # more threads cost more than they bring at this size: 255 s against 49 s a run
        module = self._random() if self.random_weights else self._checkpoint()
        module.eval().requires_grad_(False)
        tokenizer = load_tokenizer(self.spec, self.tokenizer or self.source)
        origin = "random weights" if self.random_weights else self.source
        device, dtype = torch.device(self.device), torch_dtype(self.dtype)
        return LoadedModel(module, tokenizer, self.spec, device, dtype, origin, self.inherit_defaults)

    def digest(self) -> str:
        """Names the weights: sha256 of the files, the hub's revision, or the seed of random ones."""
        if self.random_weights:
            return "random:seed0"
        folder = Path(self.source)
        return weights_digest(folder if folder.is_dir() else Path(_cached(self.spec, self.source)))

    def _checkpoint(self) -> Any:
        check_shape(self.spec, _config(self.spec, self.source))
        return _weights(self.spec, self.source, torch_dtype(self.dtype), self.attention, self.device)

    def _random(self) -> Any:
        config = random_config(self.spec)
        torch.manual_seed(0)
        with torch.device(self.device):
            return AutoModelForCausalLM.from_config(
                config, dtype=torch_dtype(self.dtype), attn_implementation=self.attention or None
            )


def torch_dtype(name: str) -> torch.dtype:
    """`bfloat16` -> torch.bfloat16; the registry has checked the name."""
    return cast("torch.dtype", getattr(torch, name))


def prefer_repeatable_kernels() -> None:
    """Leave cuDNN's attention out: on an H200 it gave other tokens at every call (Qwen2.5-7B shape, bfloat16, from 128
    keys on), while the other kernels repeat bit for bit. A tool cannot be judged against a reference that drifts."""
    torch.backends.cuda.enable_cudnn_sdp(False)


def _cached(spec: ModelSpec, source: str) -> str:
    from huggingface_hub import snapshot_download

    return str(snapshot_download(source, revision=spec.revision, local_files_only=True))


def _read(kind: Any, spec: ModelSpec, source: str, **options: Any) -> Any:
    """From this machine only, and without running code that came with a checkpoint."""
    return kind.from_pretrained(
        source, revision=spec.revision, trust_remote_code=False, local_files_only=True, **options
    )


def load_tokenizer(spec: ModelSpec, source: str) -> Any:
    """The checkpoint's tokenizer, with a chat template that renders."""
    try:
        tokenizer = _read(AutoTokenizer, spec, source)
        if not chat_ids(tokenizer, "Hello"):
            raise ValueError("a turn becomes no tokens")
    except Exception as error:  # transformers raises many kinds here; all of them mean the same to the reader
        raise LoadProblem(
            "tokenizer", f"{spec.key}: tokenizer or chat template of {source} fails: {_brief(error)}",
            "a directory with tokenizer.json, tokenizer_config.json and a chat template is expected",
        ) from error  # fmt: skip
    return tokenizer


def _config(spec: ModelSpec, source: str) -> Any:
    try:
        return _read(AutoConfig, spec, source)
    except Exception as error:
        raise LoadProblem(
            "no-checkpoint", f"{spec.key}: no usable config at {source}: {_brief(error)}",
            f"give --model-path {spec.key}=DIR, or --random-weights",
        ) from error  # fmt: skip


def _weights(spec: ModelSpec, source: str, dtype: torch.dtype, attention: str, device: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module, info = _read(
                AutoModelForCausalLM, spec, source, dtype=dtype, attn_implementation=attention or None,
                use_safetensors=True, output_loading_info=True, device_map={"": device},
            )  # fmt: skip
    except torch.cuda.OutOfMemoryError as error:
        raise LoadProblem(
            "out-of-memory", f"{spec.key} does not fit on {device}", "use a larger GPU or a smaller dtype"
        ) from error
    except Exception as error:
        raise LoadProblem(
            "weights", f"{spec.key}: weights at {source} cannot be read: {_brief(error)}", "complete safetensors files"
        ) from error
    if bad := sorted(info["missing_keys"]) + sorted(info["mismatched_keys"]):
        raise LoadProblem(
            "weights", f"{spec.key}: {source} lacks weights, first {bad[0]}", "expected a complete checkpoint"
        )
    return module


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) else value


def _brief(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
