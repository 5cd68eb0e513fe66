"""Real defects of plain PyTorch and transformers use: hooks, hidden states, tokens, padding, dtypes."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from fixtures.faults.base import Unchanged
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch, pad

Found = dict[Site, Tensor]


class HiddenStates(Unchanged):
    """HF1, HF3: reads `output_hidden_states`."""

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> Found:
        """Entry L + 1 for the output of block L."""
        with model.inference():
            states = model.module(**batch.inputs(), output_hidden_states=True).hidden_states
        found = self.right.read(model, batch, sites)
        return {site: states[site.layer + 1] if site.stream == "resid_post" else found[site] for site in sites}


class Hooked(Unchanged):
    """Reads with one hook per asked block; `capture` says what it keeps."""

    def capture(self, output: Any) -> Tensor:
        """What is kept of a block's output."""
        kept: Tensor = output.clone()
        return kept

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> Found:
        """Every asked block of one forward pass."""
        found = self.right.read(model, batch, sites)
        with ExitStack() as stack:
            for site in sites:
                if site.stream == "resid_post":
                    handle = model.blocks[site.layer].register_forward_hook(self.hook(found, site))
                    stack.callback(handle.remove)
            with model.inference():
                model.module(**batch.inputs())
        return found

    def hook(self, found: Found, site: Site) -> Callable[..., None]:
        """A hook that keeps one site."""
        return lambda module, args, output: found.update({site: self.capture(output)})


def checkpointing(module: Any) -> Any:
    """What turns it on, under the name that the installed transformers has for it."""
    return getattr(module, "activation_checkpointing_enable", None) or module.gradient_checkpointing_enable


class InputsInPlace(Unchanged):
    """RH9: a pre-hook that edits its input in place writes into what the caller gave."""

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> Found:
        """Ids without an embedding, such as a padding id of -100, are made to have one."""
        embedding = model.module_at(model.architecture.embedding)
        with ExitStack() as stack:
            stack.callback(embedding.register_forward_pre_hook(self.clamp).remove)
            return self.right.read(model, batch, sites)

    @staticmethod
    def clamp(module: Any, args: Any) -> None:
        """In place."""
        args[0].clamp_(min=0)


class Checkpointed(Unchanged):
    """HF12: reentrant checkpointing is left on, for whoever takes gradients next."""

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> Found:
        """As hooks."""
        checkpointing(model.module)({"use_reentrant": True})
        return self.right.read(model, batch, sites)


class FirstElement(Hooked):
    """HF2: `output[0]` of a block that returns a tensor is batch row 0."""

    def capture(self, output: Any) -> Tensor:
        """As written for blocks that returned tuples."""
        kept: Tensor = output[0].clone()
        return kept


class CentredInPlace(Hooked):
    """RH7: in-place work on the captured reference edits the model that goes on with it."""

    def capture(self, output: Any) -> Tensor:
        """A right copy; the model is not left alone."""
        kept: Tensor = output.clone()
        output.sub_(output.mean(-1, keepdim=True))
        return kept


class LateBinding(Hooked):
    """RH10: hooks made in a loop close over its variable, and all write to the last block's entry."""

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> Found:
        """The other entries stay what they were when asked last: here nothing."""
        found = self.right.read(model, batch, sites)
        wanted = [site for site in sites if site.stream == "resid_post"]
        captured: Found = {}
        with ExitStack() as stack:
            for site in wanted:
                keep = lambda module, args, output: captured.update({site: output.clone()})  # noqa: B023, E731
                stack.callback(model.blocks[site.layer].register_forward_hook(keep).remove)
            with model.inference():
                model.module(**batch.inputs())
        return found | {asked: captured[site] for asked in wanted}


class EmbeddingModule(Unchanged):
    """HF7: takes the embedding module's output for the stream before block 0, to which GPT-2 adds positions."""

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> Found:
        """The token embeddings for `resid_pre@0`."""
        found = self.right.read(model, batch, sites)
        first = Site("resid_pre", 0)
        return found | ({first: model.module_at(model.architecture.embedding)(batch.ids)} if first in found else {})


class Fed(Unchanged):
    """Reads with hooks and feeds the model itself; `inputs` says with what."""

    def inputs(self, model: LoadedModel, batch: TokenBatch) -> dict[str, Tensor]:
        """Keyword arguments of the forward pass."""
        raise NotImplementedError

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> Found:
        """As hooks, on these inputs."""
        other = Inputs(batch.ids, batch.mask, batch.last, batch.side)
        object.__setattr__(other, "given", self.inputs(model, batch))
        return self.right.read(model, other, sites)


class Inputs(TokenBatch):
    """A batch whose forward arguments are given."""

    given: dict[str, Tensor]

    def to(self, device: torch.device | str) -> "Inputs":
        """Itself."""
        return self

    def inputs(self) -> dict[str, Tensor]:
        """As given."""
        return self.given


class NoPositions(Fed):
    """HF6: left padding without `position_ids`, on a model with absolute positions."""

    def inputs(self, model: LoadedModel, batch: TokenBatch) -> dict[str, Tensor]:
        """As most scripts call a model."""
        return {"input_ids": batch.ids, "attention_mask": batch.mask}


class NoAttentionMask(Fed):
    """HF14: padding without an attention mask."""

    def inputs(self, model: LoadedModel, batch: TokenBatch) -> dict[str, Tensor]:
        """Ids alone."""
        return {"input_ids": batch.ids}


class TokenizedAgain(Fed):
    """TK1: the rendered template is tokenized once more, and the tokenizer adds its own BOS."""

    def inputs(self, model: LoadedModel, batch: TokenBatch) -> dict[str, Tensor]:
        """Through text."""
        real = [ids[mask.bool()] for ids, mask in zip(batch.ids, batch.mask, strict=True)]
        texts = [model.tokenizer.decode(row, skip_special_tokens=False) for row in real]
        return pad(model.tokenizer(texts)["input_ids"], model.tokenizer.pad_token_id, batch.side).inputs()


class CountedLast(Unchanged):
    """TK2: `mask.sum() - 1` is the last token under right padding only."""

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> Found:
        """The counted token, at every position."""
        rows, last = torch.arange(len(batch.ids)), batch.mask.sum(-1) - 1
        found = self.right.read(model, batch, sites)
        return {site: hidden[rows, last][:, None].expand_as(hidden).clone() for site, hidden in found.items()}


class LastIndex(Unchanged):
    """TK2: `[:, -1]` is the last token under left padding only."""

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> Found:
        """The last column, at every position."""
        found = self.right.read(model, batch, sites)
        return {site: hidden[:, -1:].expand_as(hidden).clone() for site, hidden in found.items()}


class PooledPadding(Unchanged):
    """TK3: `.mean(1)` pools padding too."""

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> Found:
        """The mean, at every position."""
        found = self.right.read(model, batch, sites)
        return {site: hidden.mean(1, keepdim=True).expand_as(hidden).clone() for site, hidden in found.items()}
