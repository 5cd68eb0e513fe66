"""From a registry row to a real transformers model in memory, checked against the row before use."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import GenerationConfig

from steering_core.models.architectures import Architecture, architecture_of
from steering_core.models.loader import (
    Placement,
    cached,
    check_loaded_config,
    prefer_repeatable_kernels,
    random_weights,
    read_tokenizer,
    read_weights,
    torch_dtype,
)
from steering_core.models.registry import ModelSpec
from steering_core.models.sites import Site
from steering_core.models.tokens import chat_ids, rendered_ids
from steering_core.records.provenance import weights_digest


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A transformers causal language model with its tokenizer, in eval mode, without gradients.

    origin: directory or hub id it came from, or "random weights". inherit_defaults: keep the checkpoint's own
    generation defaults (the `as_run` preset alone does). use_cache, prefill_chunk: how generation feeds the model;
    steering must not depend on either. device: that of the embedding; a device map may place blocks on others. dtype:
    of the activations, also over quantized weights.
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
    quantize: str = ""

    @property
    def revision(self) -> str:
        """The commit, for a checkpoint that lies in the hub's cache; else what the row says."""
        folder = Path(self.origin)
        return folder.name if folder.parent.name == "snapshots" else self.spec.revision

    @property
    def architecture(self) -> Architecture:
        """The stream table of the model's family."""
        return architecture_of(self.spec.family)

    def module_at(self, path: str) -> nn.Module:
        """The submodule at a dotted path."""
        return cast("nn.Module", self.module.get_submodule(path))

    def device_at(self, path: str) -> torch.device:
        """Where a module computes: a device map may place it away from the embedding."""
        return next((weight.device for weight in self.module_at(path).parameters()), self.device)

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

    def forward(self, inputs: dict[str, Tensor]) -> None:
        """One forward for whoever looks on: no cache, and no logits but the last token's."""
        with self.inference():
            self.module(**inputs, use_cache=False, logits_to_keep=1)

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
    weights. tokenizer: where the tokenizer comes from, if not from `source`. device_map, quantize: see `Placement`.
    """

    spec: ModelSpec
    source: str
    dtype: str
    device: str = "cpu"
    attention: str = ""
    inherit_defaults: bool = False
    random_weights: bool = False
    tokenizer: str = ""
    device_map: str = ""
    quantize: str = ""

    def load(self) -> LoadedModel:
        """The model, in eval mode, on its device; LoadProblem says what is wrong with the checkpoint."""
        architecture_of(self.spec.family)
        prefer_repeatable_kernels()
        if self.device.startswith("cuda"):
            torch.cuda.set_device(self.device)  # peak memory and random state are read from the current device
        if self.spec.tiny:
            torch.set_num_threads(1)  # more threads cost more than they bring at this size: 255 s against 49 s a run
        if not self.random_weights:
            check_loaded_config(self.spec, self.source)
        tokenizer = read_tokenizer(self.spec, self.tokenizer or self.source)
        where = Placement(torch_dtype(self.dtype), self.device, self.attention, self.device_map, self.quantize)
        module = (
            random_weights(self.spec, where) if self.random_weights else read_weights(self.spec, self.source, where)
        )
        module.eval().requires_grad_(False)
        origin = "random weights" if self.random_weights else self.source
        entry = module.get_input_embeddings().weight.device
        return LoadedModel(
            module, tokenizer, self.spec, entry, where.dtype, origin, self.inherit_defaults, quantize=self.quantize
        )

    def digest(self) -> str:
        """Names the weights: sha256 of the files, or the seed of random ones."""
        if self.random_weights:
            return "random:seed0"
        folder = Path(self.source)
        return weights_digest(folder if folder.is_dir() else cached(self.spec, self.source))


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) else value
