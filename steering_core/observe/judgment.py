"""Whether each token's stream moved as requested at each block: exactly, by what the block itself returned."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor

from steering_core.models.model import LoadedModel
from steering_core.models.transfers import on_cpu, onto
from steering_core.observe.boundaries import Boundary, boundaries_of
from steering_core.observe.expectation import edited, on_device, within
from steering_core.observe.forward_trace import ForwardTrace
from steering_core.observe.sum_order import Range, has_sums, range_of
from steering_core.observe.tokens_seen import SeenToken, SeenTokens
from steering_core.tools.edits import Edit, Set

AT_ONCE = 2**25
"""Values of boundaries that are compared at a time: 256 MiB in float64."""


class Verdict(IntEnum):
    """Of one token at one block, from best to worst; those from AMOUNT on are wrong."""

    EXACT = 0
    WITHIN = 1
    """Within rounding of the reference, which moved it by far more; or what another order of a sum gives."""
    UNTOLD = 2
    """Within rounding of the reference, which moved it by little more than rounding."""
    DOWNSTREAM = 3
    """Differs from the reference, as it must after an earlier difference in the same row."""
    AMOUNT = 4
    """Moved as requested, but not by the requested amount."""
    EXTRA = 5
    """Moved, though nothing was requested there."""
    MISSING = 6
    """Not moved, though it was requested."""


@dataclass(eq=False)
class Judgment:
    """Of every token at every block, [blocks, tokens]. seen: whether the block ran for it. requested, moved: whether it
    had to move and did, between two blocks. gaps: largest |difference| from what was expected. verdicts: int8.

    padding: (row, column) of the padding that moved. inside: whether the tool edits inside blocks."""

    seen: Tensor
    requested: Tensor
    moved: Tensor
    gaps: Tensor
    verdicts: Tensor
    padding: set[tuple[int, int]]
    inside: bool = False

    @classmethod
    def empty(cls, blocks: int, tokens: int) -> "Judgment":
        """Nothing seen yet."""
        seen, requested, moved = (torch.zeros(blocks, tokens, dtype=torch.bool) for _ in range(3))
        gaps, verdicts = (torch.zeros(blocks, tokens, dtype=dtype) for dtype in (torch.float64, torch.int8))
        return cls(seen, requested, moved, gaps, verdicts, set())

    def add(
        self, blocks: list[int], tokens: list[int], requested: Tensor, moved: Tensor, gaps: Tensor, in_order: Tensor
    ) -> None:
        """What was seen of these tokens at boundaries of these blocks: [boundaries, tokens]. A block may occur again.
        in_order: what a sum in some order gives."""
        verdicts = torch.where(requested & moved & (gaps > 0), int(Verdict.AMOUNT), int(Verdict.EXACT))
        verdicts[~requested & moved] = Verdict.EXTRA
        verdicts[requested & ~moved] = Verdict.MISSING
        verdicts[(verdicts > Verdict.EXACT) & in_order] = Verdict.WITHIN
        whole = (self.requested, requested), (self.moved, moved), (self.gaps, gaps), (self.verdicts, verdicts)
        for kept, values in whole:
            worst = kept.numpy()
            for block, row in zip(blocks, values.to(kept.dtype).numpy(), strict=True):
                worst[block, tokens] = np.maximum(worst[block, tokens], row)
        self.seen.numpy()[np.array(blocks)[:, None], tokens] = True

    @property
    def unsettled(self) -> bool:
        """Whether anything is wrong, or moved by nothing that was seen to edit: what a reference has to decide."""
        seen = self.requested & self.moved
        return bool(((self.verdicts > Verdict.WITHIN) | ((self.verdicts == Verdict.WITHIN) & ~seen)).any())


def judge_exactly(model: LoadedModel, trace: ForwardTrace, seen: SeenTokens, edits: Sequence[Edit]) -> Judgment:
    """Each block's own output, edited as requested, against what the next module received: bit for bit. If the trace looks
    inside blocks, so are the streams there; the verdict of a block is the worst of them."""
    judgment = Judgment.empty(model.spec.layers, len(seen.tokens))
    edits = [on_device(edit, model.device) for edit in edits]
    own: dict[int, list[int]] = {}
    for number, token in enumerate(seen.tokens):
        own.setdefault(token.call, []).append(number)
    boundaries = {call: [*boundaries_of(trace, call, edits)] for call in own}
    compared = {
        call: _compared(here, [*_readings(trace, seen, edits, call, own[call])])
        for call, here in boundaries.items()
        if here
    }
    # The first wait for the GPU: all calls were given to it before.
    values = iter(on_cpu([tensor for tensors in compared.values() for tensor in tensors]))
    for call, tensors in compared.items():
        blocks = [boundary.block for boundary in boundaries[call]]
        _add_call(judgment, trace, seen, call, own[call], blocks, [next(values) for _ in tensors])
    judgment.gaps[judgment.verdicts == Verdict.EXACT] = 0
    return judgment


def _places(seen: SeenTokens, own: list[int]) -> tuple[list[int], list[int]]:
    """Rows and columns, in their call, of the tokens with these numbers."""
    return [seen.tokens[number].index for number in own], [seen.tokens[number].column for number in own]


def _readings(
    trace: ForwardTrace, seen: SeenTokens, edits: Sequence[Edit], call: int, own: list[int]
) -> Iterator[Callable[[Edit], Tensor]]:
    """Where an edit applies in a call, for each length that the prompts of its tokens may have; on the model's device."""
    tokens, device = [seen.tokens[number] for number in own], next(iter(trace.returned[call].values())).device
    real = torch.zeros(trace.calls[call].shape, dtype=torch.bool)
    real[_places(seen, own)] = True
    for prompts in prompt_lengths(tokens, seen.prompts, edits):
        yield requested_tokens(tokens, prompts, real, device)


def _add_call(
    judgment: Judgment,
    trace: ForwardTrace,
    seen: SeenTokens,
    call: int,
    own: list[int],
    blocks: list[int],
    values: Sequence[Tensor],
) -> None:
    """Fill in the tokens of one call, whose numbers are `own`. values: as `_compared`, on the CPU, at boundaries of these
    blocks."""
    (moved, gaps, asked, in_order), places = values, _places(seen, own)
    nearest = gaps[:, :, *places].argmin(1, keepdim=True)  # the first of equally near ones
    requested, gap, ordered = (each[:, :, *places].gather(1, nearest)[:, 0] for each in (asked, gaps, in_order))
    judgment.add(blocks, own, requested, moved[:, *places], gap, ordered)
    owners = seen.owners[call]
    padding = torch.zeros(trace.calls[call].shape, dtype=torch.bool)
    padding[list(owners)] = ~trace.calls[call].real[list(owners)]
    judgment.padding |= {(owners[row], column) for row, column in (moved.any(0) & padding).nonzero().tolist()}


def _compared(boundaries: Sequence[Boundary], readings: Sequence[Callable[[Edit], Tensor]]) -> tuple[Tensor, ...]:
    """What moved: [boundaries, batch, width]; and per reading, [boundaries, readings, batch, width]: how far each is from
    what was expected, where it had to move, and where it is what a sum in some order gives. Nothing waits for a GPU.

    Many boundaries at a time: an operation on a small tensor takes a GPU as long as one on a large tensor.
    """
    size = max(1, AT_ONCE // boundaries[0].own.numel())
    starts = range(0, len(boundaries), size)
    parts = [_compared_at_once(boundaries[start : start + size], readings) for start in starts]
    return tuple(torch.cat(part) for part in zip(*parts, strict=True))


def _compared_at_once(
    boundaries: Sequence[Boundary], readings: Sequence[Callable[[Edit], Tensor]]
) -> tuple[Tensor, ...]:
    before = torch.stack([boundary.handed_on(boundary.own) for boundary in boundaries])
    after = torch.stack([boundary.arrived for boundary in boundaries])
    gaps, asked, in_order = [], [], []
    for tokens_of in readings:
        expected = before.clone()
        for values, boundary in zip(expected, boundaries, strict=True):
            if boundary.edits:
                values.copy_(boundary.handed_on(edited(boundary.own, boundary.edits, tokens_of)))
        gaps.append(largest(after, expected))
        asked.append(where_asked(before, expected, tokens_of, [boundary.edits for boundary in boundaries]))
        in_order.append(_in_order(boundaries, tokens_of))
    return changed(before, after), *(torch.stack(each, 1) for each in (gaps, asked, in_order))


def _in_order(boundaries: Sequence[Boundary], tokens_of: Callable[[Edit], Tensor]) -> Tensor:
    """bool [boundaries, batch, width]: where each lies in the range of every order of a sum; nowhere if no edit takes one."""
    own = boundaries[0].own
    found = torch.zeros(len(boundaries), *own.shape[:-1], dtype=torch.bool, device=own.device)
    for number, boundary in enumerate(boundaries):
        if has_sums(boundary.edits):
            results = Range(*map(boundary.handed_on, range_of(boundary.own, boundary.edits, tokens_of)))
            found[number] = results.holds(boundary.arrived)
    return found


def where_asked(
    before: Tensor, after: Tensor, tokens_of: Callable[[Edit], Tensor], edits: Sequence[Sequence[Edit]]
) -> Tensor:
    """bool [boundaries, batch, width], where the edits of each boundary have to move the stream. A tool that sets it inside
    the block leaves nothing to do: that before and after are equal does not mean that nothing was requested."""
    chosen = changed(before, after)
    for own, edit in ((own, edit) for own, here in zip(chosen, edits, strict=True) for edit in here):
        if isinstance(edit, Set):
            own |= tokens_of(edit).to(own.device)
    return chosen


def prompt_lengths(tokens: Sequence[SeenToken], prompts: Sequence[int], edits: Sequence[Edit]) -> list[Tensor]:
    """The length of each token's prompt: int64 [tokens], of the first row that it can belong to; and of each further one, if
    edits count positions from the end of the prompt. A beginning that prompts share does not tell to which it belongs."""
    spans = [edit.positions for edit in edits if edit.positions]
    if not any(span.start < 0 or (span.stop or 0) < 0 for span in spans):
        return [torch.tensor([prompts[token.rows[0]] for token in tokens])]
    lengths = [list(dict.fromkeys(prompts[row] for row in token.rows)) for token in tokens]
    return [
        torch.tensor([own[min(number, len(own) - 1)] for own in lengths]) for number in range(max(map(len, lengths)))
    ]


def requested_tokens(
    tokens: Sequence[SeenToken], prompts: Tensor, real: Tensor, device: torch.device
) -> Callable[[Edit], Tensor]:
    """Of a call with these tokens, where an edit applies: bool [batch, width], on the device. prompts: int64 [tokens], the
    length of each token's prompt; real: bool [batch, width], where the tokens are."""
    places = [token.index for token in tokens], [token.column for token in tokens]
    numbers = torch.zeros(3, *real.shape, dtype=torch.long)
    numbers[0][places] = torch.tensor([int(token.generated) for token in tokens])
    numbers[1][places], numbers[2][places] = torch.tensor([token.position for token in tokens]), prompts
    real, (generated, absolute, ends) = onto(real, device), onto(numbers, device)
    phases = {"both": real, "prefill": real & (generated == 0), "decode": real & (generated == 1)}

    def chosen(edit: Edit) -> Tensor:
        return phases[edit.phase] & (within(edit.positions, absolute, ends) if edit.positions else real)

    return chosen


def changed(before: Tensor, after: Tensor) -> Tensor:
    """bool [...]: whether any value of the last dimension changed; what was not a number, and still is not, did not."""
    return ((after != before) & ~(after.isnan() & before.isnan())).any(-1)


def largest(values: Tensor, expected: Tensor) -> Tensor:
    """Largest |difference| over the last dimension, float64; infinite where a value is not a number."""
    gaps = (values.double() - expected.double()).abs().amax(-1)
    return gaps.nan_to_num(nan=torch.inf, posinf=torch.inf)
