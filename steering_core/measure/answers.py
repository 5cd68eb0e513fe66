"""Answers to many prompts: generated batch by batch, padded to one width."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from steering_core.errors import EmptyMeasurement
from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch
from steering_core.tools.edits import Edit

Generate = Callable[[LoadedModel, TokenBatch, Sequence[Edit], int], Tensor]
"""`Tool.generate`, or the reference's."""


def generate_in_batches(
    generate: Generate,
    model: LoadedModel,
    batches: Iterable[TokenBatch],
    edits: Sequence[Edit],
    max_new_tokens: int,
    seed: int,
) -> Tensor:
    """New token ids of all batches: int64 [prompts, <= max_new_tokens]; each batch starts from the same random state.

    EmptyMeasurement unless there is one answer per prompt.
    """
    answers = []
    for batch in batches:
        torch.manual_seed(seed)
        ids = generate(model, batch, edits, max_new_tokens).cpu()
        if len(ids) != len(batch.ids):
            sentence = f"{len(ids)} answers came back for {len(batch.ids)} prompts"
            raise EmptyMeasurement("rows-lost", sentence, "expected int64 [batch, new], row by row")
        answers.append(ids)
    width = max(ids.shape[1] for ids in answers)
    padding = model.decoding(1).pad_token_id or 0
    return torch.cat([torch.nn.functional.pad(ids, (0, width - ids.shape[1]), value=padding) for ids in answers])
