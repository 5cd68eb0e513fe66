"""Real defects of steering with plain PyTorch hooks under `generate`."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from fixtures.faults.base import Unchanged
from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch
from steering_core.tools.edits import Add, Edit


class Scripted(Unchanged):
    """Steers as scripts do: one hook per block that calls `add` on the block's output; padding is not spared."""

    def add(self, hidden: Tensor, vector: Tensor) -> Tensor:
        """[batch, seq, hidden] of one call, and [hidden]: the edited stream."""
        raise NotImplementedError

    def decoding(self, model: LoadedModel, max_new_tokens: int) -> Any:
        """The generation config."""
        return model.decoding(max_new_tokens)

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        """`generate` with the hooks on."""
        with ExitStack() as stack:
            for edit in edits:
                if isinstance(edit, Add):
                    vector = edit.vector.float() * edit.coefficient

                    def hook(module: Any, args: Any, output: Tensor, vector: Tensor = vector) -> Tensor:
                        return self.add(output, vector)

                    stack.callback(model.blocks[edit.site.layer].register_forward_hook(hook).remove)
            ids: Tensor = model.module.generate(
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
    """RH3: decoding recognized by one token a call never happens without a cache."""

    def add(self, hidden: Tensor, vector: Tensor) -> Tensor:
        return hidden + vector.to(hidden.dtype) if hidden.shape[1] == 1 else hidden


class WhenSeveral(Scripted):
    """RH4: the prompt recognized by several tokens a call is everything without a cache."""

    def add(self, hidden: Tensor, vector: Tensor) -> Tensor:
        return hidden + vector.to(hidden.dtype) if hidden.shape[1] > 1 else hidden


class WideSum(Scripted):
    """DT2: the sum in float32, rounded afterwards, is not the sum in the model's dtype."""

    def add(self, hidden: Tensor, vector: Tensor) -> Tensor:
        return (hidden.float() + vector).to(hidden.dtype)


class TenthsOfIt(Scripted):
    """DT2: ten additions of a tenth drift from one addition."""

    def add(self, hidden: Tensor, vector: Tensor) -> Tensor:
        for _ in range(10):
            hidden = hidden + (vector / 10).to(hidden.dtype)
        return hidden


class Beams(Scripted):
    """HF11: under beam search, forward passes carry beams, and their rows are not those of the answers."""

    def add(self, hidden: Tensor, vector: Tensor) -> Tensor:
        return hidden + vector.to(hidden.dtype)

    def decoding(self, model: LoadedModel, max_new_tokens: int) -> Any:
        config = model.decoding(max_new_tokens)
        config.num_beams = 3
        return config


class Compiled(Scripted):
    """HF13: hooks that are put on after the first compiled call never run."""

    def add(self, hidden: Tensor, vector: Tensor) -> Tensor:
        return hidden + vector.to(hidden.dtype)

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        """The model is compiled and warmed up, steered, and handed back as it was."""
        model.module.compile(backend="eager")
        try:
            super().generate(model, batch, [], max_new_tokens)
            return super().generate(model, batch, edits, max_new_tokens)
        finally:
            model.module._compiled_call_impl = None
            torch.compiler.reset()
