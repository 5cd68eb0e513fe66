"""What a steered generation did to the residual stream, by an independent trace of its forwards."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from steering_core.errors import EmptyMeasurement
from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch
from steering_core.observe.expectation import ColumnCounter, check_editable, expected_stream
from steering_core.observe.forward_trace import ForwardTrace, trace_forward
from steering_core.tools.edits import Edit
from steering_core.tools.tool import Tool


@dataclass(frozen=True)
class Shift:
    """What happened at the output of one block in one forward call.

    expected, actual: bool [batch, seq], the tokens that the edits shift and those that were shifted. max_abs: largest
    |received - expected| value; padding is expected to stay unchanged."""

    call: int
    block: int
    expected: Tensor
    actual: Tensor
    max_abs: float

    @property
    def in_place(self) -> bool:
        """Shifted at the requested tokens and at no others."""
        return torch.equal(self.expected, self.actual)

    @property
    def at_end(self) -> Tensor:
        """bool [batch]: whether the last token of the call was shifted."""
        return self.actual[:, -1]

    @property
    def exact(self) -> bool:
        """Shifted at the requested tokens, by exactly the requested vector."""
        return self.max_abs == 0.0 and self.in_place


@dataclass(frozen=True, eq=False)
class ObservedGeneration:
    """One steered generation: its shifts at every (call, block) boundary, and the generated ids [batch, new]."""

    shifts: list[Shift]
    ids: Tensor

    @property
    def wrong(self) -> list[Shift]:
        """Boundaries that are not exactly as requested."""
        return [shift for shift in self.shifts if not shift.exact]

    @property
    def calls(self) -> int:
        """Forward calls: one for the prompt, one per further token."""
        return 1 + max(shift.call for shift in self.shifts)

    @property
    def moved(self) -> int:
        """Token positions that were shifted, over all calls and blocks."""
        return sum(int(shift.actual.sum()) for shift in self.shifts)

    @property
    def max_abs(self) -> float:
        """Largest deviation from the requested shift."""
        return max(shift.max_abs for shift in self.shifts)

    def describe(self, shifts: Sequence[Shift] | None = None) -> str:
        """The first of these shifts, by default of the wrong ones, and how many there are."""
        shifts = self.wrong if shifts is None else shifts
        if not shifts:
            return "nowhere"
        first = shifts[0]
        phase = "the prompt" if first.call == 0 else f"decode step {first.call}"
        return f"at block {first.block} in {phase}: {_deviation(first)} ({len(shifts)} boundaries differ)"


def observe_generation(
    tool: Tool, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], new_tokens: int
) -> ObservedGeneration:
    """Steer with the tool's own generation under a trace; EmptyMeasurement if the trace saw nothing, ToolUnsupported for
    an edit of anything but `resid_post`."""
    check_editable(edits)
    with trace_forward(model) as trace:
        ids = tool.generate(model, batch, edits, new_tokens)
    if not trace.received:
        sentence = f"{tool.name} generated without running the model's blocks"
        raise EmptyMeasurement("unobserved", sentence, "run the model that was given")
    return ObservedGeneration(_shifts(model, batch, edits, trace), ids)


def _shifts(model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], trace: ForwardTrace) -> list[Shift]:
    mask, counter = batch.mask.to(model.device), ColumnCounter(model.use_cache)
    shifts = []
    for call, (received, returned) in enumerate(zip(trace.received, trace.returned, strict=True)):
        columns = counter.next(received[1].shape[1])
        for block in range(model.spec.layers):
            before, after = returned[block], received[block + 1]
            here = [edit for edit in edits if edit.site.layer == block]
            requested = expected_stream(before, here, mask, columns)
            expected, actual = ((values != before).any(-1).cpu() for values in (requested, after))
            gap = (after.double() - requested.double()).abs().max()
            shifts.append(Shift(call, block, expected, actual, float(gap)))
    return shifts


def _deviation(shift: Shift) -> str:
    missing = int((shift.expected & ~shift.actual).sum())
    extra = int((shift.actual & ~shift.expected).sum())
    if not (missing or extra):
        return f"shifted by the wrong amount, off by up to {shift.max_abs:.3g}"
    rows = (shift.expected != shift.actual).any(1).nonzero().flatten().tolist()
    where = "" if len(rows) == len(shift.actual) else f", all in rows {rows}"
    return f"{missing} requested tokens not shifted, {extra} others shifted{where}"
