"""How a requested addition arrives in the stream: the values before and after it, at the prompt tokens that moved."""

from dataclasses import dataclass

import torch
from torch import Tensor

from steering_core.errors import EmptyMeasurement
from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch
from steering_core.observe.expectation import expected_output
from steering_core.observe.judgment import Verdict, largest
from steering_core.observe.reference_judgment import received_at
from steering_core.observe.shifts import TracedGeneration, trace_generation
from steering_core.observe.sum_order import has_sums, range_of
from steering_core.tools.edits import Edit
from steering_core.tools.tool import Tool


@dataclass(frozen=True, eq=False)
class Arrival:
    """before, after: [tokens, hidden], the stream around the edit, where it moved. max_abs: largest |difference| from the
    requested result; inside: taken from the reference, because the tool edits inside the block. declared: as requested,
    bit for bit, or as a sum in another order gives it, or (inside) within rounding."""

    before: Tensor
    after: Tensor
    max_abs: float
    inside: bool
    declared: bool


def observe_arrival(
    tool: Tool,
    model: LoadedModel,
    batch: TokenBatch,
    edit: Edit,
    *,
    untouched: LoadedModel | None = None,
    floor: float | None = None,
) -> Arrival:
    """Steer the prompts with one edit; EmptyMeasurement if it moved no token of them."""
    run = trace_generation(tool, model, batch, [edit], 1, untouched=untouched, floor=floor)
    block, judgment = edit.site.layer, run.judgment
    prompt = torch.tensor([not token.generated for token in run.seen.tokens], dtype=torch.bool)
    requested, verdicts = judgment.requested[block] & prompt, judgment.verdicts[block]
    inside = judgment.inside
    arrived = (requested if inside else prompt) & judgment.moved[block]
    if not arrived.any():
        raise EmptyMeasurement("unmoved", "steering moved no token of the prompt", "see S2")
    before, after = _around(run, block, arrived, inside)
    if inside:
        declared = bool((verdicts[arrived] <= Verdict.UNTOLD).all())
        return Arrival(before, after, float(judgment.gaps[block][arrived].max()), inside, declared)
    gap = float(largest(after, expected_output(before, edit)).max())
    return Arrival(before, after, gap, inside, gap == 0 or _in_order(before, after, edit))


def _in_order(before: Tensor, after: Tensor, edit: Edit) -> bool:
    """Whether every token is what a sum in some order gives; no edit without a sum has such room."""
    everywhere = torch.ones(before.shape[:-1], dtype=torch.bool)
    return has_sums([edit]) and bool(range_of(before, [edit], lambda _: everywhere).holds(after).all())


def _around(run: TracedGeneration, block: int, chosen: Tensor, inside: bool) -> tuple[Tensor, Tensor]:
    """The stream before and after an edit at the output of a block, [tokens, hidden] at the chosen tokens."""
    tokens = [run.seen.tokens[number] for number in chosen.nonzero().flatten().tolist()]
    if inside:
        reference = run.reference(run.edits)
        returned = reference.returned[block]
        before = reference.at(returned, [(token.rows[0], token.position) for token in tokens])
        return before, received_at(run.trace, tokens, block, returned)
    pairs = [
        (run.trace.returned[token.call][block][place], run.trace.received[token.call][block + 1][place])
        for token in tokens
        for place in [(token.index, token.column)]
    ]
    before, after = (torch.stack(values) for values in zip(*pairs, strict=True))
    return before, after
