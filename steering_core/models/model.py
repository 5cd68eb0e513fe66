"""From a registry row to a transformers model in memory, checked against the row before use."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import GenerationConfig

from steering_core.errors import ToolUnsupported
from steering_core.models.architectures import Architecture, architecture_of
from steering_core.models.compatibility import (
    cache_option,
    chunked_prefill_problem,
    keep_stated_settings,
    last_logits_only,
)
from steering_core.models.hub import cached_folder
from steering_core.models.loader import (
    Placement,
    check_loaded_config,
    random_weights,
    read_tokenizer,
    read_weights,
    without_weights,
)
from steering_core.models.random_mark import RANDOM_SEED, is_marked_random
from steering_core.models.registry import ModelSpec
from steering_core.models.sites import Site
from steering_core.models.tokens import chat_ids, chat_rows
from steering_core.records.provenance import RANDOM_ORIGIN, weights_digest

GREEDY: dict[str, Any] = {
    **{"do_sample": False, "num_beams": 1, "temperature": 1.0, "top_k": 50, "top_p": 1.0, "repetition_penalty": 1.0},
    **{"no_repeat_ngram_size": 0, "min_new_tokens": 0, "return_dict_in_generate": False},
}
"""Greedy decoding with every setting stated, so that nothing is inherited from a checkpoint by accident."""


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A transformers causal language model with its tokenizer, in eval mode, without gradients.

    device: that of the embedding; a device map may place blocks on others. dtype: of the activations, also over
    quantized weights. origin: the directory or hub id it came from, or "random weights", also for a checkpoint that is
    marked so. inherit_defaults: keep the checkpoint's generation defaults (only the `as_run` preset does). use_cache,
    prefill_chunk: how generation feeds the model; steering must not depend on either. tokenizer_origin: where the
    tokenizer comes from, if not from there too. exact: it is measured under exact arithmetic (`steering_core.exact`).
    request: how it was loaded; None if it was built otherwise.
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
    tokenizer_origin: str = ""
    exact: bool = False
    request: "LoadRequest | None" = None

    @property
    def revision(self) -> str:
        """The commit, for a checkpoint from the hub's cache; else the registry row's revision."""
        folder = Path(self.origin)
        return folder.name if folder.parent.name == "snapshots" else self.spec.revision

    @property
    def architecture(self) -> Architecture:
        """The taps of the model's family."""
        return architecture_of(self.spec.family)

    def module_at(self, path: str) -> nn.Module:
        """The submodule at a dotted path."""
        return cast("nn.Module", self.module.get_submodule(path))

    def device_at(self, path: str) -> torch.device:
        """Where a module computes: a device map may place it on another device than the embedding."""
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
        """`GREEDY`, with the checkpoint's end and padding tokens; or its own defaults, greedy, if they are inherited.

        ToolUnsupported when the prompt is to be fed in chunks and this release of transformers cannot.
        """
        if self.prefill_chunk and (reason := chunked_prefill_problem()):
            raise ToolUnsupported("chunked-prefill", reason, "feed the prompt whole, or use a newer transformers")
        defaults = self.module.generation_config
        end, padding = defaults.eos_token_id, defaults.pad_token_id
        if padding is None:
            padding = self.tokenizer.pad_token_id
        if padding is None:
            padding = end[0] if isinstance(end, list) else end
        length = {"max_new_tokens": max_new_tokens, "pad_token_id": padding, "use_cache": self.use_cache}
        length |= cache_option(self.module) if self.use_cache else {}
        length |= {"prefill_chunk_size": self.prefill_chunk} if self.prefill_chunk else {}
        if self.inherit_defaults:
            config = GenerationConfig.from_dict(defaults.to_dict())
            config.update(do_sample=False, **length)
            return config
        ends = {"bos_token_id": defaults.bos_token_id, "eos_token_id": end}
        return GenerationConfig(**GREEDY, **length, **ends)

    def inference(self) -> torch.no_grad:
        """No gradients; used around every forward of the suite."""
        return torch.no_grad()

    def forward(self, inputs: dict[str, Any]) -> None:
        """One forward for its observers: no cache, and logits of the last token only."""
        with self.inference():
            self.module(**{**inputs, "use_cache": False}, **self.last_logits_only)

    @property
    def last_logits_only(self) -> dict[str, int]:
        """The keyword that spares a forward the logits of all tokens but the last; {} where the model has none."""
        return last_logits_only(self.module)

    def chat_ids(self, prompt: str) -> list[int]:
        """Token ids of one user turn, as every tool gets them."""
        return chat_ids(self.tokenizer, prompt)

    def chat_rows(self, prompts: Sequence[str]) -> list[list[int]]:
        """The same for each of several prompts."""
        return chat_rows(self.tokenizer, prompts)

    def text(self, ids: Tensor) -> list[str]:
        """Generated ids [batch, new] -> one decoded answer per row, special tokens dropped."""
        return list(self.tokenizer.batch_decode(ids, skip_special_tokens=True))


@dataclass(frozen=True)
class LoadRequest:
    """How to load one model; passed to fresh processes as plain data.

    source: directory or hub id. random_weights: build the registry row's architecture and shape with seeded random
    weights. tokenizer: where the tokenizer comes from, if not from `source`. device_map, quantize: see `Placement`. exact:
    who loads it measures it under exact arithmetic.
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
    exact: bool = False

    def load(self) -> LoadedModel:
        """The model, in eval mode, on its device; LoadProblem says what is wrong with the checkpoint."""
        self._settle()
        if self.random_weights:
            return self.around(random_weights(self.spec, self.placement))
        check_loaded_config(self.spec, self.source)
        return self.around(read_weights(self.spec, self.source, self.placement))

    def without_weights(self) -> Any:
        """The modules of the model on the meta device."""
        self._settle()
        return without_weights(self.spec, "" if self.random_weights else self.source, self.placement)

    def around(self, module: Any) -> LoadedModel:
        """The loaded model of a module that has its weights."""
        tokenizer = read_tokenizer(self.spec, self.tokenizer or self.source)
        module.eval().requires_grad_(False)
        keep_stated_settings(module)
        marked = not self.random_weights and is_marked_random(self._folder)
        # The tokenizer of a checkpoint of random weights is another model's, which its directory alone does not say.
        tokenizer_origin = self.tokenizer or (f"{self.source} (of random weights)" if marked else "")
        return LoadedModel(
            module,
            tokenizer,
            self.spec,
            module.get_input_embeddings().weight.device,
            self.placement.dtype,
            RANDOM_ORIGIN if self.random_weights or marked else self.source,
            self.inherit_defaults,
            quantize=self.quantize,
            tokenizer_origin=tokenizer_origin,
            exact=self.exact,
            request=self,
        )

    @property
    def placement(self) -> Placement:
        """The dtype and the place of the weights."""
        dtype = cast("torch.dtype", getattr(torch, self.dtype))
        return Placement(dtype, self.device, self.attention, self.device_map, self.quantize)

    def _settle(self) -> None:
        """Set what the process must have set before the model is built."""
        architecture_of(self.spec.family)
        # cuDNN's attention is left out: on an H200 its tokens differed at every call (Qwen2.5-7B shape, bfloat16, from
        # 128 keys on), while the other kernels repeat bit for bit. A reference that drifts judges no tool. It also plans
        # anew for every shape: a decoding step of a new length took 102-207 ms, with the other kernels 20-23.
        torch.backends.cuda.enable_cudnn_sdp(False)
        if self.device.startswith("cuda"):
            torch.cuda.set_device(self.device)  # peak memory and random state are read from the current device
        if self.spec.tiny:
            torch.set_num_threads(1)  # more threads are slower at this size: 255 s against 49 s a run

    @property
    def _folder(self) -> Path:
        """The directory, or where the hub's cache holds the repository."""
        folder = Path(self.source)
        return folder if folder.is_dir() else cached_folder(self.source, self.spec.revision) or folder

    def digest(self) -> str:
        """Names the weights: sha256 of the files, or the seed of random ones."""
        if self.random_weights:
            return f"random:seed{RANDOM_SEED}"
        return weights_digest(self._folder)
