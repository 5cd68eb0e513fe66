"""Vectors of directions: the difference of two means at the last token of each prompt, from token ids to its unit vector."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from parity.vectors.expected import READ_ULPS, ROUNDINGS, Expected, exact_rows, read_values, spacing
from parity.vectors.format import DIRECTION, NORM, DirectionCall, Vector
from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch
from steering_core.programs.building import build_batch
from steering_core.programs.program import Prompts, Read, Side


@dataclass(frozen=True)
class TwoClasses:
    """The prompts of both classes, of uneven lengths, and where they are read."""

    site: str
    side: Side

    @property
    def prompts(self) -> dict[str, Prompts]:
        """Class -> its prompts."""
        return {
            name: Prompts(count=count, longest=12, pattern="uneven", side=self.side, seed=seed)
            for name, count, seed in (("harmful", 6, 31), ("harmless", 5, 32))
        }


DIRECTIONS = {
    "direction": TwoClasses("resid_post@4", "left"),
    "direction_right_padding": TwoClasses("resid_post@3", "right"),
}
"""Vector -> what it is made from; the same for every model."""


def make_direction(name: str, model: LoadedModel, classes: TwoClasses) -> tuple[Vector, dict[str, Tensor]]:
    """The vector, and its tensors by name."""
    batches = {kind: build_batch(model, prompts) for kind, prompts in classes.prompts.items()}
    expected = expect_direction(model, batches, classes.site)
    values = {f"{name}/0/{value}": tensor for value, tensor in expected.values.items()}
    for kind, batch in batches.items():
        values |= {f"{name}/0/{kind}/input_ids": batch.ids, f"{name}/0/{kind}/attention_mask": batch.mask}
    call = DirectionCall(
        call="direction", instance=0, padding_side=classes.side, site=classes.site, tolerances=expected.tolerances
    )
    text = (
        f"compute the difference of means of 6 harmful and 5 harmless prompts at {classes.site}, {classes.side} padding"
    )
    return Vector(name=name, text=text, generation_config={}, calls=[call]), values


def expect_direction(model: LoadedModel, batches: Mapping[str, TokenBatch], site: str) -> Expected:
    """direction: float32 [hidden], of length 1; norm: float32 [1]. Tolerances from the error against float64."""
    call = Read(sites=(site,))
    exact: dict[str, Tensor] = {}
    rounded: dict[str, Tensor] = {}
    for kind, batch in batches.items():
        ends = batch.mask.sum(-1).cumsum(0) - 1
        exact[kind] = exact_rows(model, batch, call)[site][ends]
        rounded[kind] = batch.at_last(read_values(model, batch, call)[site])
    true, near = (unit_and_norm(rows["harmful"].mean(0) - rows["harmless"].mean(0)) for rows in (exact, rounded))
    least = READ_ULPS * max(map(spacing, rounded.values()))
    scales = {DIRECTION: float(true[NORM]), NORM: 1.0}
    tolerances = {
        value: max(ROUNDINGS * float((true[value] - near[value]).abs().max()), least / scale)
        for value, scale in scales.items()
    }
    return Expected({value: tensor.float() for value, tensor in true.items()}, tolerances)


def unit_and_norm(difference: Tensor) -> dict[str, Tensor]:
    """difference: [hidden] -> its unit vector, and its length as [1]."""
    norm = torch.linalg.vector_norm(difference).reshape(1)
    return {DIRECTION: difference / norm, NORM: norm}
