"""The reference's answers that a run will want: the first one that is missing brings the others with it, under exact
arithmetic as one batch, else in processes of the reference, if it has any."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate

import torch
from torch import Tensor

from steering_core.errors import SuiteError
from steering_core.measure import reference, row_batches
from steering_core.measure.reference_processes import ReferenceProcesses
from steering_core.measure.row_batches import Condition
from steering_core.measure.store import Store
from steering_core.measure.wanted_answers import WantedAnswers, in_batches, joined

Source = Callable[[], WantedAnswers | None]
"""What will be wanted, or None as long as that is not known; a SuiteError is left to who really wants it."""


@dataclass(eq=False)
class PlannedAnswers:
    """sources: asked whenever answers are missing, until theirs are there. processes: of the reference."""

    sources: list[Source] = field(default_factory=list)
    processes: ReferenceProcesses | None = None

    def get(self, store: Store, first: WantedAnswers) -> Tensor:
        """The answers that are wanted now. What is planned of the same model comes with them: under exact arithmetic as
        much as one forward can have, else whatever the reference's processes generate meanwhile."""
        if (stored := store.find(first.key)) is not None:
            return stored
        if not first.model.exact:
            answers = self.processes.get(store, self._missing(store, first)) if self.processes else None
            return store.get(first.key, lambda: in_batches(first, reference.generate)) if answers is None else answers
        wanted = _beside(self._missing(store, first))
        return store.get_all([each.key for each in wanted], lambda places: _generate([wanted[n] for n in places]))[0]

    def _missing(self, store: Store, first: WantedAnswers) -> list[WantedAnswers]:
        """What is planned, known by now, not in the store, and can be generated together with the first, each once."""
        missing, pending = {store.path(first.key): first}, list[Source]()
        for source in self.sources:
            wanted = None
            with suppress(SuiteError):
                wanted = source()
            if wanted and store.path(wanted.key).exists():
                continue
            pending.append(source)
            if wanted and wanted.goes_with(first):
                missing.setdefault(store.path(wanted.key), wanted)
        self.sources[:] = pending
        return [*missing.values()]


def _beside(wanted: Sequence[WantedAnswers]) -> list[WantedAnswers]:
    """The first of them, and those after it that one forward can have beside it."""
    tokens = max(batch.ids.shape[1] for each in wanted for batch in each.batches) + wanted[0].max_new_tokens
    most = row_batches.rows_that_fit(wanted[0].model, tokens)
    rows = accumulate(sum(len(batch.ids) for batch in each.batches) for each in wanted)
    return [each for place, (each, total) in enumerate(zip(wanted, rows, strict=True)) if not place or total <= most]


def _generate(wanted: Sequence[WantedAnswers]) -> list[Tensor]:
    first, conditions = wanted[0], [Condition(batch, each.edits) for each in wanted for batch in each.batches]
    torch.manual_seed(first.seed)
    answers = iter(row_batches.generate(first.model, conditions, first.max_new_tokens))
    return [joined(each, [next(answers) for _ in each.batches]) for each in wanted]
