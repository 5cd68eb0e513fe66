"""How an edit arrives in the stream, in numbers: what of the requested change the model's dtype keeps."""

from typing import Any

from torch import Tensor

from steering_core.observe.arrival import Arrival
from steering_core.observe.expectation import wide_output
from steering_core.tools.edits import Add, Edit


def requested_change(before: Tensor, edit: Edit) -> Tensor:
    """before: [tokens, hidden] -> float64, the same shape: what the edit changes before anything is rounded to the model's
    dtype."""
    if isinstance(edit, Add):
        return (edit.vector.double().cpu() * edit.coefficient).expand(before.shape)
    return wide_output(before.float(), edit).double() - before.double()


def arrival_in_numbers(arrived: Arrival, requested: Tensor) -> dict[str, Any]:
    """What arrived, over the real tokens that moved. requested: float64 [tokens, hidden], or [hidden] for all of them.

    declared: whether it is the declared arithmetic, bit for bit (S2 and S6 judge which tokens move). inside: the tool edits
    inside the block, where only the result can be judged: within rounding of the reference. ratio: the part of the
    requested change that arrives (1 in exact arithmetic). unchanged: share of components that did not move.
    """
    before, after = arrived.before.cpu(), arrived.after.cpu()
    moved = after.double() - before.double()
    requested = requested.expand_as(moved)
    return {
        "dtype": str(before.dtype).removeprefix("torch."),
        "declared": arrived.declared,
        "ratio": float((moved * requested).sum() / requested.square().sum()),
        "unchanged": float((moved == 0).double().mean()),
        "max_abs": arrived.max_abs,
        "inside": arrived.inside,
    }
