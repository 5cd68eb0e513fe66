"""Mutations of what the core makes of packed prompts; importing this registers them with those of `core_mutations.py`."""

from torch import Tensor

from parity.meta.core_mutations import Patch, mutation
from steering_core.models.tokens import TokenBatch


@mutation("P4")
def packed_positions_that_run_on(patch: Patch) -> None:
    patch.setattr(TokenBatch, "position_ids", property(lambda batch: (batch.mask.cumsum(-1) - 1).clamp(min=0)))


@mutation("P4")
def packed_prompts_with_a_mask(patch: Patch) -> None:
    inputs = TokenBatch.inputs
    patch.setattr(TokenBatch, "inputs", lambda batch: inputs(batch) | {"attention_mask": batch.mask})


@mutation("P4")
def packed_prompts_that_end_in_the_last_column(patch: Patch) -> None:
    at_last = TokenBatch.at_last

    def mutated(batch: TokenBatch, hidden: Tensor) -> Tensor:
        rows = at_last(batch, hidden)
        return rows[-1:].expand_as(rows) if batch.side == "packed" else rows

    patch.setattr(TokenBatch, "at_last", mutated)
