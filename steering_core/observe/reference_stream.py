"""The residual stream that correct steering leads to: given answers, fed to an untouched model whose blocks, or
modules inside them, are edited at the class level.

A tool's stream is compared with it where the tool edits inside a block, so that an observer between two blocks sees no
shift.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.observe.expectation import INSIDE, expected_stream
from steering_core.observe.forward_trace import first_tensor, observing, writer
from steering_core.tools.edits import Edit


class ReferenceStream:
    """What each block returned and the following module received, over the prompts and all given answers but their last
    tokens."""

    def __init__(self, model: LoadedModel, batch: TokenBatch, answers: Tensor, edits: Sequence[Edit]) -> None:
        """model: one that no tool has touched. answers: int64 [<= batch, new]."""
        self.edits, self.mask, self.first = list(edits), batch.mask, 0
        self.numbers = {id(block): number for number, block in enumerate(model.blocks)}
        self.inside = _edits_of_writers(model, edits)
        self._returned: list[list[Tensor]] = [[] for _ in self.numbers]
        self._received: list[list[Tensor]] = [[] for _ in self.numbers]
        with model.inference(), observing(model, self._steer):
            _feed(model, batch.to(model.device), answers.to(model.device))
        self.returned = [torch.cat(parts, 1) for parts in self._returned]
        self.received = [torch.cat(parts, 1) for parts in self._received]
        self.columns = self._columns_of_positions(len(answers), self.returned[0].shape[1])

    def _steer(self, module: nn.Module, given: Any, call: Callable[[], Any]) -> Any:
        number = self.numbers.get(id(module))
        if number == 0:
            self.first = sum(part.shape[1] for part in self._returned[0])
        output = call()
        here = self.inside.get(id(module), [])
        if number is None and not here:
            return output
        hidden = first_tensor(output)
        if number is not None:
            here = [edit for edit in self.edits if edit.site == Site("resid_post", number)]
        steered = expected_stream(hidden, here, self.mask, range(self.first, self.first + hidden.shape[1]))
        if number is not None:
            self._returned[number].append(hidden)
            self._received[number].append(steered)
        return (steered, *output[1:]) if isinstance(output, tuple) else steered

    def _columns_of_positions(self, answered: int, width: int) -> list[list[int]]:
        """Per row, the column of each absolute position; a row without an answer has only its prompt."""
        later = list(range(self.mask.shape[1], width))
        prompts = [row.nonzero().flatten().tolist() for row in self.mask.cpu()]
        return [prompt + (later if row < answered else []) for row, prompt in enumerate(prompts)]

    def at(self, stream: Tensor, places: Sequence[tuple[int, int]]) -> Tensor:
        """[places, hidden] of one of the streams at (row, position) places; NaN where the row has no such token."""
        known = [position < len(self.columns[row]) for row, position in places]
        pairs = zip(places, known, strict=True)
        columns = [self.columns[row][position] if has_it else 0 for (row, position), has_it in pairs]
        values = stream[[row for row, _ in places], columns]
        values[~torch.tensor(known, dtype=torch.bool, device=values.device)] = torch.nan
        return values


def _edits_of_writers(model: LoadedModel, edits: Sequence[Edit]) -> dict[int, list[Edit]]:
    """id of a module -> the edits of the stream inside a block that it writes, in order."""
    writers: dict[int, list[Edit]] = {}
    for edit in edits:
        if edit.site.stream in INSIDE:
            writers.setdefault(id(writer(model, edit.site.stream, edit.site.layer)), []).append(edit)
    return writers


def _feed(model: LoadedModel, batch: TokenBatch, answers: Tensor) -> None:
    """One forward for the prompts, and with a KV cache one for each column of the answers but the last."""
    ids, mask, positions = batch.ids, batch.mask, batch.position_ids
    missing = len(ids) - len(answers)
    answers, cache = torch.nn.functional.pad(answers, (0, 0, 0, missing)), None
    for column in range(max(1, answers.shape[1])):
        if column:
            ids = answers[:, column - 1 : column]
            mask = torch.cat([mask, torch.ones_like(ids)], 1)
            positions = mask.sum(1, keepdim=True) - 1
        inputs = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
        cache = model.module(**inputs, past_key_values=cache, use_cache=True, logits_to_keep=1).past_key_values
