"""A second opinion where a stream is not exactly as requested: a reference generation, to within rounding.

It decides for tools that edit inside a block, of which an observer between two blocks sees nothing.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from steering_core.observe.forward_trace import ForwardTrace
from steering_core.observe.judgment import Judgment, Verdict, largest
from steering_core.observe.reference_stream import ReferenceStream
from steering_core.observe.tokens_seen import SeenToken
from steering_core.records.thresholds import ARRIVED_SHARE, REFERENCE_ULPS, TELLING_SHIFT


class Comparison:
    """A stream beside the reference's at one block, per token: the largest |difference|, the largest that is allowed, the
    largest component of the requested shift, and the share of that shift that arrived; each float64 [tokens]."""

    def __init__(
        self,
        trace: ForwardTrace,
        tokens: Sequence[SeenToken],
        reference: ReferenceStream,
        block: int,
        floor: float | None,
    ) -> None:
        received, returned = reference.received[block], reference.returned[block]
        stream = received_at(trace, tokens, block, received)
        most = max(len(token.rows) for token in tokens)
        each = [[(token.rows[min(n, len(token.rows) - 1)], token.position) for token in tokens] for n in range(most)]
        # Whichever of the rows with the same tokens so far it is.
        self.gaps = torch.stack([largest(stream, reference.at(received, places)) for places in each]).amin(0).cpu()
        after, before = (reference.at(values, each[0]).double().cpu() for values in (received, returned))
        shift = (after - before).nan_to_num(0)
        self.shifts = shift.abs().amax(-1)
        along = ((stream.double().cpu() - before) * shift).sum(-1).nan_to_num(0)
        self.arrived = along / shift.square().sum(-1).clamp(min=torch.finfo(torch.float64).tiny)
        spacing = torch.finfo(received.dtype).eps * after.norm(dim=-1).nan_to_num(0)
        self.allowed = REFERENCE_ULPS * spacing if floor is None else torch.full_like(spacing, floor)

    @property
    def close(self) -> Tensor:
        """bool [tokens]: equal to the reference, up to rounding."""
        return self.gaps <= self.allowed

    @property
    def told(self) -> Tensor:
        """bool [tokens]: the requested shift is far beyond rounding."""
        return (self.shifts > 0) & (self.shifts >= TELLING_SHIFT * self.allowed)

    @property
    def far(self) -> Tensor:
        """bool [tokens]: far beyond rounding from the reference, if the reference knows the token."""
        return torch.isfinite(self.gaps) & (self.gaps > TELLING_SHIFT * self.allowed)


def received_at(trace: ForwardTrace, tokens: Sequence[SeenToken], block: int, like: Tensor) -> Tensor:
    """[tokens, hidden], in the order of the tokens: what the module after `block` received; NaN where it did not run."""
    values = torch.full((len(tokens), like.shape[-1]), torch.nan, dtype=like.dtype, device=like.device)
    for call in {token.call for token in tokens}:
        own = [number for number, token in enumerate(tokens) if token.call == call]
        if block + 1 in trace.received[call]:
            places = [tokens[number].index for number in own], [tokens[number].column for number in own]
            values[own] = trace.received[call][block + 1][places].to(like.device)
    return values


def judge_by_reference(
    judgment: Judgment,
    trace: ForwardTrace,
    tokens: Sequence[SeenToken],
    reference: ReferenceStream,
    floor: float | None,
) -> None:
    """Accept what is not exact, but where the reference is. If the tool edits inside blocks, look for edits that nobody
    requested at every block, too."""
    blocks = range(len(reference.received))
    compared = [Comparison(trace, tokens, reference, block, floor) for block in blocks]
    verdicts, between_blocks = judgment.verdicts, bool((judgment.requested & judgment.moved).any())
    for one, own, gaps in zip(compared, verdicts, judgment.gaps, strict=True):
        within = ((own == Verdict.AMOUNT) | (own == Verdict.MISSING)) & one.close & one.told
        own[within] = Verdict.WITHIN
        gaps[within] = one.gaps[within]
        # A tool that was seen to edit between blocks would have been seen to edit there, unless a value that is set was
        # there already.
        own[(own == Verdict.MISSING) & one.close & ((gaps == 0) | ~torch.tensor(between_blocks))] = Verdict.UNTOLD
    judgment.inside = edits_inside(judgment, compared, tokens)
    if judgment.inside:
        for one, own, gaps, requested in zip(compared, verdicts, judgment.gaps, judgment.requested, strict=True):
            wrong = one.far & (own != Verdict.WITHIN) & (own != Verdict.UNTOLD)
            kinds = torch.where(one.arrived.abs() > ARRIVED_SHARE, int(Verdict.AMOUNT), int(Verdict.MISSING))
            own[wrong] = torch.where(requested, kinds, int(Verdict.EXTRA)).to(own.dtype)[wrong]
            gaps[wrong] = one.gaps[wrong]
        set_aside_consequences(verdicts, tokens)
    judgment.moved |= (verdicts == Verdict.WITHIN) | (verdicts == Verdict.AMOUNT) | (verdicts == Verdict.EXTRA)


def edits_inside(judgment: Judgment, compared: Sequence[Comparison], tokens: Sequence[SeenToken]) -> bool:
    """Whether a requested shift arrived, whole or in part, that no observer between blocks saw."""
    shown = judgment.verdicts.clone()
    set_aside_consequences(shown, tokens)
    told = torch.stack([one.told for one in compared])
    arrived = told & torch.stack([one.arrived.abs() > ARRIVED_SHARE for one in compared])
    unseen = judgment.requested & ~judgment.moved
    # A sum in another order is accepted where nothing can be told, too: that shows no edit.
    accepted = unseen & (judgment.verdicts == Verdict.WITHIN) & told
    return bool((accepted | (unseen & (shown == Verdict.MISSING) & arrived)).any())


def set_aside_consequences(verdicts: Tensor, tokens: Sequence[SeenToken]) -> None:
    """What is wrong after an earlier place of the same row was wrong cannot be judged by the reference's stream."""
    earliest: dict[int, int] = {}
    for block in verdicts:
        wrong = [n for n in range(len(tokens)) if Verdict.AMOUNT <= int(block[n]) <= Verdict.MISSING]
        after = {number for number in wrong if _follows(tokens[number], earliest)}
        for number in after:
            block[number] = Verdict.DOWNSTREAM
        for token in (tokens[number] for number in wrong if number not in after):
            for row in token.rows:
                earliest[row] = min(earliest.get(row, token.position), token.position)


def _follows(token: SeenToken, earliest: dict[int, int]) -> bool:
    return any(token.position >= earliest[row] for row in token.rows if row in earliest)
