"""Real defects of plain PyTorch and transformers code: hooks, hidden states, tokens, padding, dtypes."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from fixtures.faults.base import Activations, WrappedHooks
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch, pad


class HiddenStates(WrappedHooks):
    """HF1, HF3: reads `output_hidden_states`."""

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> Activations:
        """Entry L + 1 for the output of block L."""
        with model.inference():
            states = model.module(**batch.inputs(), output_hidden_states=True).hidden_states
        tensors = self.hooks.read(model, batch, sites)
        return {site: states[site.layer + 1] if site.stream == "resid_post" else tensors[site] for site in sites}


class Hooked(WrappedHooks):
    """Reads with one hook per requested block; `capture` decides what it keeps."""

    def capture(self, output: Any) -> Tensor:
        """What is kept of a block's output."""
        return output.clone()

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> Activations:
        """All requested blocks in one forward pass."""
        tensors = self.hooks.read(model, batch, sites)
        with ExitStack() as stack:
            for site in sites:
                if site.stream == "resid_post":
                    handle = model.blocks[site.layer].register_forward_hook(self.hook(tensors, site))
                    stack.callback(handle.remove)
            with model.inference():
                model.module(**batch.inputs())
        return tensors

    def hook(self, tensors: Activations, site: Site) -> Callable[..., None]:
        """A hook that keeps one site."""
        return lambda module, args, output: tensors.update({site: self.capture(output)})


def checkpointing(module: Any) -> Any:
    """The function that turns on gradient checkpointing, by its name in the installed transformers."""
    return getattr(module, "activation_checkpointing_enable", None) or module.gradient_checkpointing_enable


class InputsInPlace(WrappedHooks):
    """RH9: a pre-hook that edits its input in place changes the caller's tensor."""

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> Activations:
        """Clamps ids that have no embedding, such as a padding id of -100."""
        embedding = model.module_at(model.architecture.embedding)
        with ExitStack() as stack:
            stack.callback(embedding.register_forward_pre_hook(self.clamp).remove)
            return self.hooks.read(model, batch, sites)

    @staticmethod
    def clamp(module: Any, args: Any) -> None:
        args[0].clamp_(min=0)


class Checkpointed(WrappedHooks):
    """HF12: reentrant checkpointing is left on, for whoever takes gradients next."""

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> Activations:
        checkpointing(model.module)({"use_reentrant": True})
        return self.hooks.read(model, batch, sites)


class FirstElement(Hooked):
    """HF2: `output[0]` of a block that returns a tensor is batch row 0."""

    def capture(self, output: Any) -> Tensor:
        """As written for blocks that returned tuples."""
        return output[0].clone()


class CenteredInPlace(Hooked):
    """RH7: in-place work on the captured reference changes what the model continues with."""

    def capture(self, output: Any) -> Tensor:
        """A correct copy; the model's own tensor is changed."""
        copied = output.clone()
        output.sub_(output.mean(-1, keepdim=True))
        return copied


class LateBinding(Hooked):
    """RH10: hooks created in a loop close over its variable, and all write to the last block's entry."""

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> Activations:
        tensors = self.hooks.read(model, batch, sites)
        blocks = [site for site in sites if site.stream == "resid_post"]
        captured: Activations = {}
        with ExitStack() as stack:
            for site in blocks:
                keep = lambda module, args, output: captured.update({site: output.clone()})  # noqa: B023, E731
                stack.callback(model.blocks[site.layer].register_forward_hook(keep).remove)
            with model.inference():
                model.module(**batch.inputs())
        return tensors | {requested: captured[site] for requested in blocks}


class EmbeddingModule(WrappedHooks):
    """HF7: takes the embedding module's output for the stream before block 0, to which GPT-2 adds positions."""

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> Activations:
        """The token embeddings for `resid_pre@0`."""
        tensors, first = self.hooks.read(model, batch, sites), Site("resid_pre", 0)
        if first in tensors:
            tensors[first] = model.module_at(model.architecture.embedding)(batch.ids)
        return tensors


class OtherInputs(WrappedHooks):
    """Reads with hooks and runs the model on `inputs` instead of the batch's own."""

    def inputs(self, model: LoadedModel, batch: TokenBatch) -> dict[str, Tensor]:
        """Keyword arguments of the forward pass."""
        raise NotImplementedError

    def actual_batch(self, batch: TokenBatch, model: LoadedModel) -> TokenBatch:
        other = BatchWithInputs(batch.ids, batch.mask, batch.last, batch.side)
        object.__setattr__(other, "given", self.inputs(model, batch))
        return other


class BatchWithInputs(TokenBatch):
    """A batch whose forward arguments are given."""

    given: dict[str, Tensor]

    def to(self, device: torch.device | str) -> "BatchWithInputs":
        return self

    def inputs(self) -> dict[str, Tensor]:
        return self.given


class NoPositions(OtherInputs):
    """HF6: left padding without `position_ids`, on a model with absolute positions."""

    def inputs(self, model: LoadedModel, batch: TokenBatch) -> dict[str, Tensor]:
        """As most scripts call a model."""
        return {"input_ids": batch.ids, "attention_mask": batch.mask}


class NoAttentionMask(OtherInputs):
    """HF14: padding without an attention mask."""

    def inputs(self, model: LoadedModel, batch: TokenBatch) -> dict[str, Tensor]:
        return {"input_ids": batch.ids}


class TokenizedAgain(OtherInputs):
    """TK1: the rendered template is tokenized again, and the tokenizer adds its own BOS."""

    def inputs(self, model: LoadedModel, batch: TokenBatch) -> dict[str, Tensor]:
        real = [ids[mask.bool()] for ids, mask in zip(batch.ids, batch.mask, strict=True)]
        texts = [model.tokenizer.decode(row, skip_special_tokens=False) for row in real]
        return pad(model.tokenizer(texts)["input_ids"], model.tokenizer.pad_token_id, batch.side).inputs()


class CountedLast(WrappedHooks):
    """TK2: `mask.sum() - 1` is the last token only under right padding."""

    def returned(self, hidden: Tensor, batch: TokenBatch) -> Tensor:
        rows, last = torch.arange(len(batch.ids)), batch.mask.sum(-1) - 1
        return hidden[rows, last][:, None].expand_as(hidden).clone()


class PooledPadding(WrappedHooks):
    """TK3: `.mean(1)` pools padding too."""

    def returned(self, hidden: Tensor, batch: TokenBatch) -> Tensor:
        return hidden.mean(1, keepdim=True).expand_as(hidden).clone()
