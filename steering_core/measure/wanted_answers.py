"""Answers that a run wants, by a tool or by the reference."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from steering_core.errors import EmptyMeasurement, RaisedByTool, SuiteError
from steering_core.hosts.beside import Beside
from steering_core.measure.store import Store
from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch
from steering_core.tools.edits import Edit
from steering_core.tools.tool import Tool


@dataclass(frozen=True, eq=False)
class WantedAnswers:
    """What the store calls them, and how they are generated. batches: the prompts, as a run of their own has them. seed:
    set before every batch."""

    key: dict[str, Any]
    model: LoadedModel
    batches: Sequence[TokenBatch]
    edits: Sequence[Edit]
    max_new_tokens: int
    seed: int

    def goes_with(self, other: "WantedAnswers") -> bool:
        """Whether both can be generated as one batch."""
        return self.model is other.model and self.max_new_tokens == other.max_new_tokens


Generate = Callable[[LoadedModel, TokenBatch, Sequence[Edit], int], Tensor]
"""A tool's `generate`, or the reference's."""


def answers_of(tool: Tool, store: Store, wanted: Sequence[WantedAnswers], hosts: Beside) -> Tensor:
    """The first of these answers of a tool. If it is not stored, the others are generated with it, as many at a time as the
    tool has processes; one that fails is asked for again when it is wanted."""
    first = wanted[0]
    if (stored := store.find(first.key)) is not None:
        return stored
    tools = [tool, *hosts.beside(tool)]

    def work(number: int) -> None:
        for each in wanted[number :: len(tools)]:
            with suppress(SuiteError, RaisedByTool):
                store.get(each.key, lambda: in_batches(each, tools[number].generate))  # noqa: B023 - called at once

    if len(tools) > 1:
        hosts.at_once([partial(work, number) for number in range(min(len(tools), len(wanted)))])
    return store.get(first.key, lambda: in_batches(first, tool.generate))


def in_batches(wanted: WantedAnswers, generate: Generate) -> Tensor:
    """The answers by a tool, or by the reference, one batch after the other: int64 [prompts, <= max_new_tokens]."""
    answers = []
    for batch in wanted.batches:
        torch.manual_seed(wanted.seed)
        answers.append(generate(wanted.model, batch, wanted.edits, wanted.max_new_tokens))
        if len(answers[-1]) != len(batch.ids):
            sentence = f"{len(answers[-1])} answers came back for {len(batch.ids)} prompts"
            raise EmptyMeasurement("rows-lost", sentence, "expected int64 [batch, new], row by row")
    return joined(wanted, answers)


def joined(wanted: WantedAnswers, answers: Sequence[Tensor]) -> Tensor:
    """The answers to all batches, padded at the end: int64 [prompts, <= max_new_tokens]."""
    width = max(ids.shape[1] for ids in answers)
    padding = wanted.model.decoding(1).pad_token_id or 0
    padded = [torch.nn.functional.pad(ids.cpu(), (0, width - ids.shape[1]), value=padding) for ids in answers]
    return torch.cat(padded)
