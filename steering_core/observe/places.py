"""From tokens of forward calls to (row, absolute position) places: each is judged over all calls that computed it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from steering_core.observe.judgment import Judgment
from steering_core.observe.observed_generation import ObservedGeneration
from steering_core.observe.row_matching import KnownRow
from steering_core.observe.tokens_seen import SeenTokens

UNSEEN = 127
"""Verdict of a place that no call computed."""
Run = tuple[tuple[int, ...], int, int]
"""A token of a run: the rows that it can belong to, its position, and the position after the run."""


def at_places(
    judgment: Judgment, seen: SeenTokens, rows: Sequence[KnownRow], ids: Tensor, calls: int
) -> ObservedGeneration:
    """The verdict of each place: the worst of the runs of tokens that carry it, because each chose a token. Of more equal
    runs than there are rows with these tokens, only as many as rows count, the best: the others were extra forwards."""
    verdicts = torch.where(judgment.seen, judgment.verdicts, UNSEEN)
    groups: dict[Run, list[int]] = {}
    for number, token in enumerate(seen.tokens):
        groups.setdefault((token.rows, token.position, token.end), []).append(number)
    counted = counting_tokens(verdicts, [(runs_needed(key[0], key[2], rows), own) for key, own in groups.items()])
    keys = placed(list(groups), rows)
    places = sorted({place for place, _ in keys})
    to_place = index_of([place for place, _ in keys], places)
    chosen = counted[:, [number for _, number in keys]]

    def worst(values: Tensor) -> Tensor:
        return largest_of_groups(values.gather(1, chosen), to_place, len(places))

    verdicts, gaps = worst(verdicts), worst(judgment.gaps)
    return ObservedGeneration(
        torch.tensor(places, dtype=torch.int64).reshape(-1, 2),
        verdicts,
        gaps,
        worst(judgment.requested.to(torch.int8)).bool(),
        worst(judgment.moved.to(torch.int8)).bool(),
        [row.prompt for row in rows],
        ids.cpu(),
        calls,
        len(judgment.padding),
        seen.unmatched,
        unseen(verdicts, places, rows),
        judgment.inside,
    )


def placed(groups: Sequence[Run], rows: Sequence[KnownRow]) -> list[tuple[tuple[int, int], int]]:
    """((row, position), number of the group): a run that chose a token of some rows says nothing about another row that
    only begins like them, unless nothing else does."""
    own = [(number, choosing(owners, end, rows) or owners) for number, (owners, _, end) in enumerate(groups)]
    keys = [((row, groups[number][1]), number) for number, owners in own for row in owners]
    known = {place for place, _ in keys}
    every = [((row, position), number) for number, (owners, position, _) in enumerate(groups) for row in owners]
    return keys + [key for key in every if key[0] not in known]


def choosing(owners: Sequence[int], end: int, rows: Sequence[KnownRow]) -> list[int]:
    """The rows whose next token is chosen by a run that ends there."""
    return [row for row in owners if end >= rows[row].prompt]


def runs_needed(owners: Sequence[int], end: int, rows: Sequence[KnownRow]) -> int:
    """How many runs of tokens that end there the rows with these tokens need: one per row whose next token is chosen there;
    of a part of a prompt, one per row."""
    return len(choosing(owners, end, rows) or owners)


def counting_tokens(verdicts: Tensor, groups: Sequence[tuple[int, list[int]]]) -> Tensor:
    """groups: how many runs are needed, and the numbers of a token in each -> int64 [blocks, groups], the number of the
    token that counts: the worst of the best, as many as needed."""
    first = torch.tensor([numbers[0] for _, numbers in groups], dtype=torch.int64)
    counted = first.expand(len(verdicts), -1).clone()
    for group, (rows, numbers) in enumerate(groups):
        if len(numbers) > 1:
            order = verdicts[:, numbers].argsort(dim=1, stable=True)[:, min(rows, len(numbers)) - 1]
            counted[:, group] = torch.tensor(numbers)[order]
    return counted


def index_of(keys: Sequence[tuple[int, ...]], among: Sequence[tuple[int, ...]]) -> Tensor:
    """The number of each key: int64 [keys]."""
    numbers = {key: number for number, key in enumerate(among)}
    return torch.tensor([numbers[key] for key in keys], dtype=torch.int64)


def largest_of_groups(values: Tensor, groups: Tensor, count: int) -> Tensor:
    """[blocks, items] -> [blocks, groups], the largest of each group."""
    start = values.new_zeros(len(values), count)
    return start.scatter_reduce(1, groups.expand(len(values), -1), values, "amax", include_self=False)


def unseen(verdicts: Tensor, places: Sequence[tuple[int, int]], rows: Sequence[KnownRow]) -> list[tuple[int, int]]:
    """The (row, position) pairs that were needed, and that some block never computed."""
    complete = (verdicts != UNSEEN).all(0).tolist()
    seen = {place for place, is_complete in zip(places, complete, strict=True) if is_complete}
    needed = [(number, position) for number, row in enumerate(rows) for position in range(row.needed)]
    return [place for place in needed if place not in seen]
