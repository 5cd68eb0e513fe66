"""What a steered generation really did to the residual stream, from an independent witness of the run."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from steering_core.errors import EmptyMeasurement
from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch
from steering_core.observe.forward_trace import ForwardTrace, trace_forward
from steering_core.tools.edits import Edit
from steering_core.tools.positions import Schedule
from steering_core.tools.tool import Tool


@dataclass(frozen=True)
class Shift:
    """One boundary of one forward call; start: absolute position of its first token.

    expected, actual: where the stream was to move and where it moved
    ([batch, seq] booleans); max_abs: largest |received - asked|, where padding is asked to stay as it is."""

    call: int
    start: int
    block: int
    expected: Tensor
    actual: Tensor
    max_abs: float

    @property
    def in_place(self) -> bool:
        """Moved where asked, and nowhere else."""
        return torch.equal(self.expected, self.actual)

    @property
    def at_end(self) -> Tensor:
        """[batch]: whether the last token of the call moved."""
        return self.actual[:, -1]

    @property
    def exact(self) -> bool:
        """Moved where asked, by exactly what was asked."""
        return self.max_abs == 0.0 and self.in_place


@dataclass(frozen=True, eq=False)
class ObservedGeneration:
    """One steered generation: every (call, block) boundary, and the generated ids [batch, new]."""

    shifts: list[Shift]
    ids: Tensor

    @property
    def wrong(self) -> list[Shift]:
        """Boundaries that are not exactly as asked."""
        return [shift for shift in self.shifts if not shift.exact]

    @property
    def calls(self) -> int:
        """Forward calls: one for the prompt, one per further token."""
        return 1 + max(shift.call for shift in self.shifts)

    @property
    def moved(self) -> int:
        """Token positions at which the stream moved, over all calls and blocks."""
        return sum(int(shift.actual.sum()) for shift in self.shifts)

    @property
    def max_abs(self) -> float:
        """Largest deviation from the asked shift."""
        return max(shift.max_abs for shift in self.shifts)

    @property
    def words(self) -> str:
        """The first wrong boundary, in words."""
        return self.describe(self.wrong)

    def describe(self, wrong: Sequence[Shift]) -> str:
        """The first of some boundaries, in words."""
        return describe(wrong) if wrong else "nowhere"


def watch(
    tool: Tool, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], new_tokens: int
) -> ObservedGeneration:
    """Steer with the tool's own generation while a witness looks on; a run that it did not see is no measurement."""
    with trace_forward(model) as seen:
        ids = tool.generate(model, batch, edits, new_tokens)
    if not seen.received:
        raise EmptyMeasurement(
            "unwitnessed", f"{tool.name} generated without running the model's blocks", "run the model that was given"
        )
    return ObservedGeneration(shifts(model, batch, edits, seen), ids)


def shifts(model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], seen: ForwardTrace) -> list[Shift]:
    """Testimony -> what moved where, call by call."""
    schedules = [Schedule(batch.mask.to(model.device), edit.phase, model.use_cache) for edit in edits]
    found, start = [], 0
    for call, (received, returned) in enumerate(zip(seen.received, seen.returned, strict=True)):
        width = received[1].shape[1]
        regions = [schedule.next(width) for schedule in schedules]
        for block in range(model.spec.layers):
            here = [(edit, region) for edit, region in zip(edits, regions, strict=True) if edit.site.layer == block]
            found.append(_shift((call, start, block), returned[block], received[block + 1], here))
        start = start + width if model.use_cache else 0
    return found


def _shift(place: tuple[int, int, int], before: Tensor, after: Tensor, edits: Sequence[tuple[Edit, Tensor]]) -> Shift:
    call, start, block = place
    wanted = before
    for edit, region in edits:
        wanted = torch.where(region, edit.apply(wanted), wanted)
    gap = (after.double() - wanted.double()).abs()
    expected = (wanted != before).any(-1)
    return Shift(call, start, block, expected.cpu(), (after != before).any(-1).cpu(), float(gap.max()))


def describe(wrong: Sequence[Shift]) -> str:
    """The first boundary that is not as asked, in words."""
    first = wrong[0]
    phase = "the prompt" if first.call == 0 else f"decode step {first.call}"
    missing = int((first.expected & ~first.actual).sum())
    extra = int((first.actual & ~first.expected).sum())
    if missing or extra:
        rows = (first.expected != first.actual).any(1).nonzero().flatten().tolist()
        some = "" if len(rows) == len(first.actual) else f", all in rows {rows}"
        words = f"{missing} asked tokens not moved, {extra} others moved{some}"
    else:
        words = f"moved by the wrong amount, off by up to {first.max_abs:.3g}"
    return f"at block {first.block} in {phase}: {words} ({len(wrong)} boundaries differ)"
