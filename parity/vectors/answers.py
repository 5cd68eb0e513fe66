"""Answers to vectors in this process: by the suite's reference, or by another engine."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from parity.vectors.directions import unit_and_norm
from parity.vectors.format import (
    LOGITS,
    TOKENS,
    DirectionCall,
    EditData,
    GenerateCall,
    ReadCall,
    Vector,
    VectorFile,
    shift_name,
)
from parity.vectors.recording import Recording, edited_sites, outer
from steering_core.localize.capture import read_sites
from steering_core.measure import reference
from steering_core.models.generation_defaults import generation_defaults
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.tools.edits import Ablate, Add, Affine, Edit, Interpolate, Scale, Set, Span

CLASSES: dict[str, Any] = {
    **{"add": Add, "ablate": Ablate, "set": Set},
    **{"scale": Scale, "interpolate": Interpolate, "affine": Affine},
}
Values = dict[str, Tensor]


class Engine(Protocol):
    """What answers the calls of a vector; new for each."""

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> Mapping[Site, Tensor]:
        """{site: [batch, seq, width]}."""

    def generate(
        self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], new_tokens: int, recording: Recording
    ) -> Tensor:
        """int64 [batch, new]; what the forwards did is left in the recording."""

    def direction(self, model: LoadedModel, harmful: TokenBatch, harmless: TokenBatch, site: Site) -> Tensor:
        """[hidden]: the difference of means, not normalized."""


class Reference:
    """The independent capture, and the reference that edits with pre-hooks."""

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> Mapping[Site, Tensor]:
        """As `Engine`."""
        return read_sites(model, batch, sites)

    def generate(
        self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], new_tokens: int, recording: Recording
    ) -> Tensor:
        """As `Engine`; a prompt in chunks is fed whole."""
        model, sites = replace(model, prefill_chunk=None), edited_sites(edits)
        with (
            outer(model, sites, recording, edited=False),
            reference.steered(model, edits, batch.mask),
            outer(model, sites, recording, edited=True),
        ):
            return reference.decode(model, batch, new_tokens)

    def direction(self, model: LoadedModel, harmful: TokenBatch, harmless: TokenBatch, site: Site) -> Tensor:
        """As `Engine`."""
        return difference_of_means(self, model, harmful, harmless, site)


def difference_of_means(
    engine: Engine, model: LoadedModel, harmful: TokenBatch, harmless: TokenBatch, site: Site
) -> Tensor:
    """float32 [hidden], from what an engine reads: arrays of any kind, under a site or its name, as in a vector's read."""

    def mean(batch: TokenBatch) -> Tensor:
        answer = {str(key): value for key, value in engine.read(model, batch, [site]).items()}
        return batch.at_last(plain(answer[str(site)])).float().mean(0)

    return mean(harmful) - mean(harmless)


@dataclass(eq=False)
class Answering:
    """Answers vectors with engines on one model. values: the tensors of the vectors' file. failures: vector -> what its
    engine raised, or why its answer has no form that can be written."""

    model: LoadedModel
    file: VectorFile
    values: Values
    failures: dict[str, str] = field(default_factory=dict)

    def answer(self, vector: Vector, engines: Sequence[Engine]) -> Values:
        """The answers to one vector, by name; they are written when all its calls are done. engines: one per instance."""
        with generation_defaults(self.model.module, vector.generation_config):
            try:
                given = [
                    self._call(f"{vector.name}/{number}", call, engines[call.instance])
                    for number, call in enumerate(vector.calls)
                ]
                return {name: plain(value) for one in given for name, value in one.items()}
            except Exception as error:
                self.failures[vector.name] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
                return {}

    def _call(self, name: str, call: ReadCall | GenerateCall | DirectionCall, engine: Engine) -> dict[str, Any]:
        if isinstance(call, DirectionCall):
            classes = [self._batch(f"{name}/{kind}", call) for kind in ("harmful", "harmless")]
            difference = engine.direction(self.model, classes[0], classes[1], site_of(call.site))
            return {f"{name}/{value}": tensor for value, tensor in unit_and_norm(plain(difference)).items()}
        batch = self._batch(name, call)
        if isinstance(call, ReadCall):
            answer = engine.read(self.model, batch, [site_of(text) for text in call.sites])
            return {f"{name}/{site}": value for site, value in answer.items()}
        edits = [self.edit(f"{name}/edit{number}", data) for number, data in enumerate(call.edits)]
        fed = replace(self.model, use_cache=call.use_cache, prefill_chunk=call.prefill_chunk or None)
        recording = Recording()
        tokens = engine.generate(fed, batch, edits, call.max_new_tokens, recording)
        return {f"{name}/{TOKENS}": tokens, **dict(self._recorded(name, call, tokens, recording))}

    def _recorded(
        self, name: str, call: GenerateCall, tokens: Tensor, recording: Recording
    ) -> Iterator[tuple[str, Tensor]]:
        """Logits and shifts, as far as the forwards were seen as those of the whole batch."""
        with suppress(RuntimeError, LookupError, ValueError):
            yield f"{name}/{LOGITS}", recording.steps(tokens.shape[1])[..., self.file.logit_ids]
        for site in edited_sites(call.edits):
            with suppress(RuntimeError, LookupError, ValueError):
                yield f"{name}/{shift_name(site)}", recording.shift(site, cached=call.use_cache)

    def _batch(self, name: str, call: ReadCall | GenerateCall | DirectionCall) -> TokenBatch:
        ids, mask = self.values[f"{name}/input_ids"].clone(), self.values[f"{name}/attention_mask"].clone()
        width = ids.shape[1]
        last = mask.sum(-1) - 1 if call.padding_side == "right" else torch.full((len(ids),), width - 1)
        return TokenBatch(ids, mask, last, call.padding_side)

    def edit(self, name: str, data: EditData) -> Edit:
        """One edit of a call, with its vectors."""
        common: dict[str, Any] = {"site": data.site, "phase": data.phase}
        for part in ("positions", "features"):
            given = getattr(data, part)
            common[part] = given and Span(given.start, given.stop)
        for part in ("vector", "reference"):
            if f"{name}/{part}" in self.values:
                common[part] = self.values[f"{name}/{part}"].clone()
        if data.action not in {"ablate", "set"}:
            common["coefficient"] = data.coefficient
        edit: Edit = CLASSES[data.action](**common)
        return edit


def site_of(text: str) -> Site:
    """`resid_post@3`."""
    stream, _, layer = text.partition("@")
    return Site(stream, int(layer))


def plain(value: Any) -> Tensor:
    """A copy that can be written; TypeError for what is no array."""
    tensor = value if isinstance(value, Tensor) else torch.from_numpy(value)
    return tensor.detach().cpu().clone().contiguous()
