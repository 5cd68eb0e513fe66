"""Which row of a batch, and which absolute position, each token of a forward call is.

Whatever a tool does with the batch (single rows, micro-batches, another order, a prompt cache, chunks, no cache, packed
rows), a run of tokens at consecutive positions belongs to a row if its whole history does: it starts the row, or it
continues an earlier run that did.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from steering_core.models.tokens import TokenBatch
from steering_core.models.transfers import on_cpu
from steering_core.observe.model_call import ModelCall


@dataclass(frozen=True)
class KnownRow:
    """One row of a batch. tokens: its prompt, then its answer up to the end token. prompt: how many of them are prompt.
    answered: whether its answer is known; otherwise whatever continues the prompt is its answer."""

    tokens: tuple[int, ...]
    prompt: int
    answered: bool

    @property
    def needed(self) -> int:
        """How many tokens a model must have computed: all but the last of the answer, which nothing follows."""
        return max(self.prompt, len(self.tokens) - 1)

    def fits(self, start: int, tokens: Sequence[int]) -> bool:
        """Whether these tokens can stand at `start`; beyond the known ones, anything can."""
        known = self.tokens[start : start + len(tokens)]
        return known == tuple(tokens[: len(known)])

    def judged(self, position: int) -> bool:
        """Whether the token at this position is part of the answer's computation."""
        return position < self.needed or not self.answered


def known_rows(batch: TokenBatch, answers: Tensor, ends: Sequence[int]) -> list[KnownRow]:
    """answers: int64 [<= batch, new], the generated tokens; ends: the end tokens."""
    ids, mask, new = (tensor.tolist() for tensor in on_cpu([batch.ids, batch.mask, answers]))
    given = new if answers.dim() == 2 else []
    known = []
    for number, (row, real) in enumerate(zip(ids, mask, strict=True)):
        prompt = [token for token, is_real in zip(row, real, strict=True) if is_real]
        answer = given[number] if number < len(given) else []
        stop = next((index + 1 for index, token in enumerate(answer) if token in ends), len(answer))
        known.append(KnownRow((*prompt, *answer[:stop]), len(prompt), number < len(given)))
    return known


@dataclass(eq=False)
class Segment:
    """A run of real tokens at consecutive positions. place: (rows of its call, row, number within the row). start: the
    first token's absolute position. rows: the rows of the batch that it can belong to, whose tokens up to its end are
    equal. continued: whether a later run uses its cached keys."""

    place: tuple[int, int, int]
    columns: list[int]
    tokens: list[int]
    start: int
    rows: frozenset[int] = frozenset()
    continued: bool = False

    @property
    def end(self) -> int:
        """The position after its last token."""
        return self.start + len(self.columns)


Assigned = tuple[Segment, Segment | None]
"""A segment, and the earlier one that it continues."""


class RowMatcher:
    """Finds the rows of one batch in the forward calls of one run, call by call."""

    def __init__(self, rows: Sequence[KnownRow]) -> None:
        self.rows = list(rows)
        self.segments: dict[int, list[Segment]] = {}
        """Of all calls so far, by the position after their last token; those of unknown rows too."""

    def match(self, call: ModelCall, ids: Tensor | None) -> list[Segment]:
        """The segments of the call that belong to a row. ids: int64 [batch, width], the call's tokens; None if they are
        unknown."""
        if ids is None:
            return []
        readings = [self._assigned(segments_of(call, ids, positions)) for positions in call.readings()]
        best = max(readings, key=_matched_tokens)
        for segment, earlier in best:
            self.segments.setdefault(segment.end, []).append(segment)
            if earlier:
                earlier.continued = True
        return [segment for segment, _ in best if segment.rows]

    def _assigned(self, segments: list[Segment]) -> list[Assigned]:
        """Each segment, given its rows, and the one that it continues. If all segments can continue those at the same
        places of an equally large call, they do."""
        fitting = [self._fitting(segment) for segment in segments]
        choices = [self._continuable(segment, rows) for segment, rows in zip(segments, fitting, strict=True)]
        same = [
            [one for one in earlier if one.place == segment.place and not one.continued]
            for segment, earlier in zip(segments, choices, strict=True)
        ]
        steady = all(same[number] or not choices[number] for number in range(len(segments)))
        assigned: list[Assigned] = []
        for segment, rows, others, own in zip(segments, fitting, choices, same, strict=True):
            earlier = own if steady else [one for one in others if not one.continued] or others
            starts = segment.start == 0
            segment.rows = rows if starts else rows & frozenset[int]().union(*(one.rows for one in earlier))
            known = [one for one in earlier if one.rows & segment.rows] or earlier
            assigned.append((segment, None if starts or not known else known[0]))
        return assigned

    def _fitting(self, segment: Segment) -> frozenset[int]:
        fits = (number for number, row in enumerate(self.rows) if row.fits(segment.start, segment.tokens))
        return frozenset(fits)

    def _continuable(self, segment: Segment, rows: frozenset[int]) -> list[Segment]:
        """Earlier segments that end where this one starts: of its rows, or of none of the batch."""
        before = self.segments.get(segment.start, []) if segment.start else []
        return [one for one in before if one.rows & rows or not one.rows]

    def is_used(self, segment: Segment) -> bool:
        """Whether it can matter to an answer: something continued it, or it chose a token of its row. The others are
        extra forwards, such as a warm-up on the first tokens of a prompt."""
        return segment.continued or any(segment.end >= self.rows[row].prompt for row in segment.rows)


def segments_of(call: ModelCall, ids: Tensor, positions: Tensor) -> list[Segment]:
    """The runs of consecutive positions among each row's real tokens; a packed sequence begins another."""
    found = list[Segment]()
    # Numbers, not a tensor for each of them.
    rows = zip(call.real.tolist(), positions.tolist(), ids.tolist(), strict=True)
    for row, (real, places, tokens) in enumerate(rows):
        own: list[Segment] = []
        for column, position in enumerate(places):
            if not real[column]:
                continue
            if not own or own[-1].end != position or column in call.starts:
                own.append(Segment((len(ids), row, len(own)), [], [], position))
            own[-1].columns.append(column)
            own[-1].tokens.append(tokens[column])
        found += own
    return found


def _matched_tokens(assigned: Sequence[Assigned]) -> int:
    return sum(len(segment.columns) for segment, _ in assigned if segment.rows)


def ids_of(call: ModelCall, tokens: Sequence[int], embedded: Tensor) -> Tensor | None:
    """The call's token ids; where only embeddings were given, by looking them up among those of `tokens`, [tokens,
    hidden], with -1 for the others."""
    if call.ids is not None:
        return call.ids
    assert call.embeddings is not None
    numbers = {_bytes(vector): token for token, vector in zip(tokens, embedded.cpu(), strict=True)}
    return torch.tensor([[numbers.get(_bytes(vector), -1) for vector in row] for row in call.embeddings])


def _bytes(vector: Tensor) -> bytes:
    return vector.contiguous().view(torch.uint8).numpy().tobytes()
