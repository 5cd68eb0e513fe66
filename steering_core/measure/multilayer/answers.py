"""Answers under any list of additions, by the reference or a tool, kept in the experiment's store."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import torch
from torch import Tensor

from steering_core.measure import reference
from steering_core.measure.experiment import Experiment
from steering_core.measure.store import digest
from steering_core.measure.wanted_answers import WantedAnswers
from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch
from steering_core.quality import Quality, classify
from steering_core.records.thresholds import does_work, stays_coherent
from steering_core.tools.edits import Add, Edit


class Counts(NamedTuple):
    """Answers by class; total: unscored ones too."""

    coherent: int
    garbled: int
    normal: int
    total: int

    @property
    def rate(self) -> Fraction:
        """Share of coherent refusals."""
        return Fraction(self.coherent, self.total)

    @property
    def coherence(self) -> Fraction:
        """Share of answers that are not garbled."""
        return 1 - Fraction(self.garbled, self.total)

    @property
    def works(self) -> bool:
        """Whether the rate is that of a condition that works."""
        return does_work(self.rate)

    @property
    def stays_coherent(self) -> bool:
        """Whether enough answers are not garbled."""
        return stays_coherent(self.coherence)


def count(texts: Sequence[str]) -> Counts:
    """The classes of some answers."""
    classes = [classify(text) for text in texts]
    coherent, garbled, normal = map(classes.count, (Quality.COHERENT, Quality.GARBLED, Quality.NORMAL))
    return Counts(coherent, garbled, normal, len(classes))


def want(here: Experiment, edits: Sequence[Add]) -> WantedAnswers:
    """The reference's answers to the evaluation prompts under these edits."""
    told = [[str(edit.site), digest(edit.vector), edit.coefficient, edit.phase] for edit in edits]
    key: dict[str, Any] = {"what": "edited", "tool": "reference", "edits": told}
    return here.wanted(key, here.prompts.evaluation, edits)


def answers(here: Experiment, edits: Sequence[Add]) -> Tensor:
    """int64 [prompts, <= max_new_tokens]."""
    return here.planned.get(here.store, want(here, edits))


def last_logits(model: LoadedModel, batches: Sequence[TokenBatch], edits: Sequence[Edit]) -> Tensor:
    """What follows each prompt: [prompts, vocabulary], on the CPU."""
    rows = []
    for batch in batches:
        with reference.steered(model, edits, batch.mask), model.inference():
            logits = model.module(**batch.inputs(), use_cache=False, **model.last_logits_only).logits
        rows.append(logits[:, -1].float().cpu())
    return torch.cat(rows)
