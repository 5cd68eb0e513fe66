"""The same prompts in batches of other sizes, orders and paddings: what must change nothing under exact arithmetic."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch, pad, pad_id

EXTRA_PADDING = 8


@dataclass(frozen=True)
class Arrangement:
    """order: for each row of the batches, one after the other, the index of its prompt."""

    name: str
    batches: Sequence[TokenBatch]
    order: Sequence[int]


def arrangements(model: LoadedModel, rows: Sequence[Sequence[int]]) -> Iterator[Arrangement]:
    """Alone first; rows: token ids of prompts. Padding is made by a longer row, which is then left out."""
    padding, everyone = pad_id(model.tokenizer), range(len(rows))
    half = (len(rows) + 1) // 2
    yield Arrangement("alone", [pad([row], padding) for row in rows], everyone)
    yield Arrangement("in a batch", [pad(rows, padding)], everyone)
    if len(rows) > 1:
        yield Arrangement("in halves", [pad(rows[:half], padding), pad(rows[half:], padding)], everyone)
    yield Arrangement("in a reversed batch", [pad(rows[::-1], padding)], everyone[::-1])
    yield Arrangement("padded further on the left", [_wide(rows, padding)], everyone)
    yield Arrangement("padded on the right", [pad(rows, padding, "right")], everyone)


def _wide(rows: Sequence[Sequence[int]], padding: int) -> TokenBatch:
    longer = [padding] * (max(map(len, rows)) + EXTRA_PADDING)
    batch, count = pad([*rows, longer], padding), len(rows)
    return TokenBatch(batch.ids[:count], batch.mask[:count], batch.last[:count], batch.side)
