"""What a steered generation really did to the residual stream, from an independent witness of the run."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from steering_core.edits import Edit
from steering_core.errors import EmptyMeasurement
from steering_core.models import LoadedModel
from steering_core.tokens import TokenBatch
from steering_core.tools.base import Tool
from steering_core.witness import Testimony, witness


@dataclass(frozen=True)
class Shift:
    """One boundary of one forward call. expected, actual: where the stream was to move and where it moved
    ([batch, seq] booleans); max_abs: largest |received - asked|, where padding is asked to stay as it is."""

    call: int
    block: int
    expected: Tensor
    actual: Tensor
    max_abs: float

    @property
    def exact(self) -> bool:
        """Moved where asked, by exactly what was asked."""
        return self.max_abs == 0.0 and torch.equal(self.expected, self.actual)


@dataclass(frozen=True, eq=False)
class Watched:
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
        return describe(self.wrong) if self.wrong else "nowhere"


def watch(tool: Tool, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], new_tokens: int) -> Watched:
    """Steer with the tool's own generation while a witness looks on; a run that it did not see is no measurement."""
    with witness(model) as seen:
        ids = tool.generate(model, batch, edits, new_tokens)
    if not seen.received:
        raise EmptyMeasurement(
            "unwitnessed", f"{tool.name} generated without running the model's blocks", "run the model that was given"
        )
    return Watched(shifts(model, batch, edits, seen), ids)


def shifts(model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], seen: Testimony) -> list[Shift]:
    """Testimony -> what moved where, call by call."""
    found = []
    for call, (received, returned) in enumerate(zip(seen.received, seen.returned, strict=True)):
        for block in range(model.spec.layers):
            here = [edit for edit in edits if edit.site.layer == block and applies(edit, call)]
            found.append(_shift(call, block, returned[block], received[block + 1], here, batch))
    return found


def applies(edit: Edit, call: int) -> bool:
    """Whether an edit belongs to the call: 0 is the prompt, the others decode one token each."""
    return edit.phase == "both" or (edit.phase == "prefill") == (call == 0)


def _shift(call: int, block: int, before: Tensor, after: Tensor, edits: Sequence[Edit], batch: TokenBatch) -> Shift:
    wanted = before
    for edit in edits:
        wanted = edit.apply(wanted)
    real = batch.mask.bool() if call == 0 else torch.ones(after.shape[:2], dtype=torch.bool, device=after.device)
    real = real.to(after.device)
    wanted = torch.where(real[..., None], wanted, before)
    gap = (after.double() - wanted.double()).abs()
    expected = (wanted != before).any(-1)
    return Shift(call, block, expected.cpu(), (after != before).any(-1).cpu(), float(gap.max()))


def describe(wrong: Sequence[Shift]) -> str:
    """The first boundary that is not as asked, in words."""
    first = wrong[0]
    phase = "the prompt" if first.call == 0 else f"decode step {first.call}"
    missing = int((first.expected & ~first.actual).sum())
    extra = int((first.actual & ~first.expected).sum())
    if missing or extra:
        words = f"{missing} asked tokens not moved, {extra} others moved"
    else:
        words = f"moved by the wrong amount, off by up to {first.max_abs:.3g}"
    return f"at block {first.block} in {phase}: {words} ({len(wrong)} boundaries differ)"
