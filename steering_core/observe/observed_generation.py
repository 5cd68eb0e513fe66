"""A steered generation as plain data: what happened to the stream at every (row, absolute position, block), in words."""

from collections.abc import Collection
from dataclasses import dataclass, field

import torch
from torch import Tensor

from steering_core.errors import EmptyMeasurement
from steering_core.observe.judgment import Verdict

WRONG = frozenset({Verdict.AMOUNT, Verdict.EXTRA, Verdict.MISSING})
MISPLACED = frozenset({Verdict.EXTRA, Verdict.MISSING})
Place = tuple[int, int, int]
"""(block, row, absolute position)."""


@dataclass(frozen=True, eq=False)
class ObservedGeneration:
    """One steered generation, on the CPU.

    places: int64 [places, 2], the (row, absolute position) pairs that the answers needed. verdicts: int8 [blocks, places],
    numbers of `Verdict`. gaps: float64, the same shape, largest |difference| from what was expected. requested, moved:
    bool, the same shape: which had to move, and which did. prompts: tokens per prompt. ids: int64 [batch, new].
    calls: forward calls of the model. padding: padding tokens that moved. unmatched: tokens of other rows, and of extra
    forwards. missing: (row, position) pairs that were needed and never computed under observation. inside: whether the
    tool edits inside blocks. strayed: where the stream moved otherwise, if nothing moved as requested or between blocks;
    answers_moved: whether the tool then answers otherwise than without edits.
    """

    places: Tensor
    verdicts: Tensor
    gaps: Tensor
    requested: Tensor
    moved: Tensor
    prompts: list[int]
    ids: Tensor
    calls: int
    padding: int = 0
    unmatched: int = 0
    missing: list[tuple[int, int]] = field(default_factory=list)
    inside: bool = False
    strayed: list[Place] = field(default_factory=list)
    answers_moved: bool = False

    def where(self, verdicts: Collection[int]) -> list[Place]:
        """The places with one of these verdicts: the prompts' first, by block."""
        chosen = torch.isin(self.verdicts, torch.tensor(sorted(verdicts), dtype=torch.int8))
        found = [(block, *self.places[number].tolist()) for block, number in chosen.nonzero().tolist()]
        return sorted(found, key=lambda place: (self._generated(place), *place))

    @property
    def wrong(self) -> list[Place]:
        """Where the stream is not as requested; padding aside."""
        return self.where(WRONG)

    @property
    def misplaced(self) -> list[Place]:
        """Where it moved though it should not have, or the reverse."""
        return self.where(MISPLACED)

    @property
    def boundaries(self) -> int:
        """How many (row, position, block) places were judged."""
        return self.verdicts.numel()

    @property
    def moved_tokens(self) -> int:
        """How many (row, position, block) places were shifted."""
        return int(self.moved.sum())

    @property
    def max_abs(self) -> float:
        """Largest deviation from the requested stream."""
        return float(self.gaps.max()) if self.gaps.numel() else 0.0

    def unsteered_ends(self, blocks: Collection[int]) -> list[int]:
        """Which of these blocks left the last prompt token of some row where it was."""
        ends = torch.tensor(
            [position == self.prompts[row] - 1 for row, position in self.places.tolist()], dtype=torch.bool
        )
        still = ~self.moved & (self.verdicts != Verdict.UNTOLD) & (self.verdicts != Verdict.DOWNSTREAM)
        return [block for block in blocks if bool((still[block] & ends).any())]

    def arrivals(self) -> list[list[float]]:
        """[block, row, position, verdict, gap] of every place: equal for two runs that steer alike."""
        rows = self.places.tolist()
        pairs = zip(self.verdicts.tolist(), self.gaps.tolist(), strict=True)
        lists = [zip(rows, verdicts, gaps, strict=True) for verdicts, gaps in pairs]
        return [[block, *place, verdict, gap] for block, row in enumerate(lists) for place, verdict, gap in row]

    def check_complete(self) -> None:
        """EmptyMeasurement if a token that the answers needed was never seen, or if no requested shift of some block is
        large enough to be told from rounding."""
        if self.missing:
            sentence = f"{self.name(*self.missing[0])} was never computed under observation"
            others = f", nor {len(self.missing) - 1} other tokens" * (len(self.missing) > 1)
            raise EmptyMeasurement("unobserved", f"{sentence}{others}", "run the given model on every prompt")
        for block, (verdicts, requested) in enumerate(zip(self.verdicts, self.requested, strict=True)):
            if requested.any() and bool((verdicts[requested] == Verdict.UNTOLD).all()):
                sentence = f"the shift requested at block {block} cannot be told from rounding"
                raise EmptyMeasurement("untold", sentence, "steer more strongly, or edit the output of the block")

    def describe(self, places: list[Place] | None = None) -> str:
        """The first of these places, by default of the wrong ones, and how many there are."""
        places = self.wrong if places is None else places
        if not places:
            return "nowhere"
        block, generated = places[0][0], self._generated(places[0])
        here = [place for place in places if place[0] == block and self._generated(place) == generated]
        phase = "the answers" if generated else "the prompts"
        blocks = sorted({place[0] for place in places})
        total = f"{len(places)} (row, position, block) places differ, at blocks {blocks}"
        return f"at block {block} in {phase}: {self._deviation(here)}, first {self.name(*here[0][1:])}{self._rows(here)} ({total})"

    def describe_padding(self) -> str:
        """How much padding moved, if any."""
        right = "; every requested token was right" if not self.wrong else ""
        return f"{self.padding} padding tokens were steered{right}"

    def describe_still(self, what: str = "steering") -> str:
        """What to say if nothing moved as requested."""
        if not self.strayed and self.answers_moved:
            return f"{what} changed the answers without shifting the residual stream at any block"
        if not self.strayed:
            return f"{what} changed nothing"
        block, row, position = self.strayed[0]
        first = f"first at block {block}, {self.name(row, position)}"
        return f"the requested shift was not applied, but the stream moved at {len(self.strayed)} other places, {first}"

    def name(self, row: int, position: int) -> str:
        """A token in words: its phase, row and absolute position."""
        prompt = self.prompts[row]
        if position < prompt:
            return f"prompt token {position} of row {row}"
        return f"generated token {position - prompt} of row {row} (position {position})"

    def _generated(self, place: Place) -> bool:
        return place[2] >= self.prompts[place[1]]

    def _deviation(self, places: list[Place]) -> str:
        counts = {kind: 0 for kind in WRONG}
        columns = {(row, position): number for number, (row, position) in enumerate(self.places.tolist())}
        gaps = []
        for block, row, position in places:
            number = columns[row, position]
            kind = Verdict(int(self.verdicts[block, number]))
            counts[kind] += 1
            gaps += [float(self.gaps[block, number])] if kind is Verdict.AMOUNT else []
        amount = f"{len(gaps)} tokens shifted by the wrong amount, off by up to {max(gaps, default=0):.3g}"
        missing, extra = counts[Verdict.MISSING], counts[Verdict.EXTRA]
        elsewhere = f"{missing} requested tokens not shifted, {extra} others shifted"
        return "; ".join([elsewhere] * bool(missing or extra) + [amount] * bool(gaps))

    def _rows(self, places: list[Place]) -> str:
        rows = sorted({row for _, row, _ in places})
        return "" if len(rows) == len(self.prompts) else f", all in rows {rows}"
