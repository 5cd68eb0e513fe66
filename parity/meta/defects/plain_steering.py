"""Real defects of steering with plain PyTorch hooks under `generate`."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from fixtures.faults.base import WrappedHooks
from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch
from steering_core.tools.edits import Add, Edit


class Scripted(WrappedHooks):
    """Steers as scripts do: one hook per block that calls `add` on the block's output; padding is steered too."""

    def add(self, hidden: Tensor, vector: Tensor) -> Tensor:
        """The stream of one call, [batch, seq, hidden], and the scaled vector, [hidden] -> the edited stream."""
        raise NotImplementedError

    def decoding(self, model: LoadedModel, max_new_tokens: int) -> Any:
        """The generation config."""
        return model.decoding(max_new_tokens)

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        """`generate` with the hooks in place."""
        with ExitStack() as stack:
            for edit in edits:
                if isinstance(edit, Add):
                    vector = edit.vector.float() * edit.coefficient

                    def hook(module: Any, args: Any, output: Tensor, vector: Tensor = vector) -> Tensor:
                        return self.add(output, vector)

                    stack.callback(model.blocks[edit.site.layer].register_forward_hook(hook).remove)
            ids = model.module.generate(
                input_ids=batch.ids, attention_mask=batch.mask, generation_config=self.decoding(model, max_new_tokens)
            )
        return ids[:, batch.ids.shape[1] :]


class FirstThree(Scripted):
    """RH1: `[:, :3]` also edits every decoded token."""

    def add(self, hidden: Tensor, vector: Tensor) -> Tensor:
        hidden = hidden.clone()
        hidden[:, :3] += vector.to(hidden.dtype)
        return hidden


class LastOfCall(Scripted):
    """RH2: `[:, -1]` edits the last prompt token and each generated one."""

    def add(self, hidden: Tensor, vector: Tensor) -> Tensor:
        hidden = hidden.clone()
        hidden[:, -1] += vector.to(hidden.dtype)
        return hidden


class WhenSingle(Scripted):
    """RH3: code that takes one-token calls for decode steps never sees one without a KV cache."""

    def add(self, hidden: Tensor, vector: Tensor) -> Tensor:
        return hidden + vector.to(hidden.dtype) if hidden.shape[1] == 1 else hidden


class WhenSeveral(Scripted):
    """RH4: code that takes multi-token calls for the prompt sees nothing else without a KV cache."""

    def add(self, hidden: Tensor, vector: Tensor) -> Tensor:
        return hidden + vector.to(hidden.dtype) if hidden.shape[1] > 1 else hidden


class WideSum(Scripted):
    """DT2: a sum in float32 that is rounded afterwards differs from the sum in the model's dtype."""

    def add(self, hidden: Tensor, vector: Tensor) -> Tensor:
        return (hidden.float() + vector).to(hidden.dtype)


class TenSmallSums(Scripted):
    """DT2: ten additions of a tenth of the vector drift from one addition."""

    def add(self, hidden: Tensor, vector: Tensor) -> Tensor:
        for _ in range(10):
            hidden = hidden + (vector / 10).to(hidden.dtype)
        return hidden


class Beams(Scripted):
    """HF11: under beam search, the rows of a forward pass are beams, not answers."""

    def add(self, hidden: Tensor, vector: Tensor) -> Tensor:
        return hidden + vector.to(hidden.dtype)

    def decoding(self, model: LoadedModel, max_new_tokens: int) -> Any:
        config = model.decoding(max_new_tokens)
        config.num_beams = 3
        return config


class Compiled(Scripted):
    """HF13: hooks added after the first compiled call never run."""

    def add(self, hidden: Tensor, vector: Tensor) -> Tensor:
        return hidden + vector.to(hidden.dtype)

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        """Compiles and warms up the model, steers it, and undoes the compilation."""
        model.module.compile(backend="eager")
        try:
            super().generate(model, batch, [], max_new_tokens)
            return super().generate(model, batch, edits, max_new_tokens)
        finally:
            model.module._compiled_call_impl = None
            torch.compiler.reset()
