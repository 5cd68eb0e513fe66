"""Whether each token's stream moved as requested at each block: exactly, by what the block itself returned."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from steering_core.models.model import LoadedModel
from steering_core.observe.boundaries import Boundary, boundaries_of
from steering_core.observe.expectation import edited, within
from steering_core.observe.forward_trace import ForwardTrace
from steering_core.observe.tokens_seen import SeenToken, SeenTokens
from steering_core.tools.edits import Edit, Set


class Verdict(IntEnum):
    """Of one token at one block, from best to worst; those from AMOUNT on are wrong."""

    EXACT = 0
    WITHIN = 1
    """Within rounding of the reference, which moved it by far more."""
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

    def add(self, block: int, tokens: list[int], requested: Tensor, moved: Tensor, gaps: Tensor) -> None:
        """What was seen of these tokens at one boundary of a block: [tokens]."""
        verdicts = torch.where(requested & moved & (gaps > 0), int(Verdict.AMOUNT), int(Verdict.EXACT))
        verdicts[~requested & moved] = Verdict.EXTRA
        verdicts[requested & ~moved] = Verdict.MISSING
        self.seen[block, tokens] = True
        self.requested[block, tokens] |= requested
        self.moved[block, tokens] |= moved
        self.gaps[block, tokens] = self.gaps[block, tokens].maximum(gaps)
        self.verdicts[block, tokens] = self.verdicts[block, tokens].maximum(verdicts.to(torch.int8))


def judge_exactly(model: LoadedModel, trace: ForwardTrace, seen: SeenTokens, edits: Sequence[Edit]) -> Judgment:
    """Each block's own output, edited as requested, against what the next module received: bit for bit. If the trace looks
    inside blocks, so are the streams there; the verdict of a block is the worst of them."""
    judgment = Judgment.empty(model.spec.layers, len(seen.tokens))
    for call in range(len(trace.calls)):
        own = [number for number, token in enumerate(seen.tokens) if token.call == call]
        if own:
            _judge_call(judgment, trace, seen, edits, call, own)
    judgment.gaps[judgment.verdicts == Verdict.EXACT] = 0
    return judgment


def _judge_call(
    judgment: Judgment, trace: ForwardTrace, seen: SeenTokens, edits: Sequence[Edit], call: int, own: list[int]
) -> None:
    """Fill in the tokens of one call, whose numbers are `own`."""
    tokens = [seen.tokens[number] for number in own]
    places = [token.index for token in tokens], [token.column for token in tokens]
    real = torch.zeros(trace.calls[call].shape, dtype=torch.bool)
    real[places] = True
    readings = [requested_tokens(tokens, prompts, real) for prompts in prompt_lengths(tokens, seen.prompts, edits)]
    padding = torch.zeros_like(real)
    padding[list(seen.owners[call])] = ~trace.calls[call].real[list(seen.owners[call])]
    boundaries = [*boundaries_of(trace, call, edits)]
    if not boundaries:
        return
    # All of them come from the GPU at once: for every transfer one waits until it has nothing else to do.
    shown = zip(*(_compared(boundary, readings) for boundary in boundaries), strict=True)
    for boundary, moved, gaps, asked in zip(boundaries, *(torch.stack(each).cpu() for each in shown), strict=True):
        gaps_here, asked_here = gaps[:, *places], asked[:, *places]
        nearest = gaps_here.argmin(0, keepdim=True)  # the first of equally near ones
        requested, gap = asked_here.gather(0, nearest)[0], gaps_here.gather(0, nearest)[0]
        judgment.add(boundary.block, own, requested, moved[places], gap)
        moved_padding = (moved & padding).nonzero().tolist()
        judgment.padding |= {(seen.owners[call][index], column) for index, column in moved_padding}


def _compared(boundary: Boundary, readings: Sequence[Callable[[Edit], Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    """At a boundary, [batch, width]: what moved; and per reading, [readings, batch, width]: how far it is from what was
    expected, and where it had to move."""
    before, after = boundary.handed_on(boundary.own), boundary.arrived
    expected = [boundary.handed_on(edited(boundary.own, boundary.edits, tokens_of)) for tokens_of in readings]
    asked = [where_asked(before, *each, boundary.edits) for each in zip(expected, readings, strict=True)]
    return changed(before, after), torch.stack([largest(after, values) for values in expected]), torch.stack(asked)


def where_asked(before: Tensor, after: Tensor, tokens_of: Callable[[Edit], Tensor], edits: Sequence[Edit]) -> Tensor:
    """bool [batch, width], where the edits have to move the stream. A tool that sets it inside the block leaves nothing to
    do: that before and after are equal does not mean that nothing was requested."""
    chosen = changed(before, after)
    for edit in edits:
        chosen = chosen | tokens_of(edit).to(chosen.device) if isinstance(edit, Set) else chosen
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


def requested_tokens(tokens: Sequence[SeenToken], prompts: Tensor, real: Tensor) -> Callable[[Edit], Tensor]:
    """Of a call with these tokens, where an edit applies: bool [batch, width]. prompts: int64 [tokens], the length of each
    token's prompt; real: bool [batch, width], where the tokens are."""
    places = [token.index for token in tokens], [token.column for token in tokens]
    generated, absolute, ends = (torch.zeros(real.shape, dtype=torch.long) for _ in range(3))
    generated[places] = torch.tensor([int(token.generated) for token in tokens])
    absolute[places], ends[places] = torch.tensor([token.position for token in tokens]), prompts
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
