"""From tokens of forward calls to (row, absolute position) places: each is judged over all calls that computed it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from steering_core.observe.judgment import Judgment, Verdict
from steering_core.observe.observed_generation import ObservedGeneration
from steering_core.observe.row_matching import KnownRow
from steering_core.observe.tokens_seen import SeenTokens

UNSEEN = 127
"""Verdict of a place that no call computed."""


def at_places(judgment: Judgment, seen: SeenTokens, rows: Sequence[KnownRow], ids: Tensor, calls: int) -> ObservedGeneration:
    """The verdict of each place: of the calls that carry the same run of the row, the best, because any of them may have
    been extra (a probe of the model); of runs with different ends, the worst, because each chose a token."""
    keys = [(row, token.position, token.end) for token in seen.tokens for row in token.rows]
    numbers = [number for number, token in enumerate(seen.tokens) for _ in token.rows]
    runs = sorted(set(keys))
    places = sorted({key[:2] for key in runs})
    to_run, to_place = index_of(keys, runs), index_of([run[:2] for run in runs], places)
    verdicts = torch.where(judgment.seen, judgment.verdicts, UNSEEN)[:, numbers]
    gaps = judgment.gaps[:, numbers]
    best = grouped(verdicts, to_run, len(runs), "amin")
    gaps = grouped(torch.where(verdicts == best[:, to_run], gaps, torch.inf), to_run, len(runs), "amin")
    flags = [grouped(flag[:, numbers].to(torch.int8), to_run, len(runs), "amax") for flag in (judgment.requested, judgment.moved)]
    requested, moved = (grouped(flag, to_place, len(places), "amax").bool() for flag in flags)
    verdicts, gaps = (grouped(values, to_place, len(places), "amax") for values in (best, gaps))
    return ObservedGeneration(
        torch.tensor(places, dtype=torch.int64).reshape(-1, 2),
        verdicts,
        gaps,
        requested,
        moved,
        [row.prompt for row in rows],
        ids.cpu(),
        calls,
        len(judgment.padding),
        seen.unmatched,
        unseen(verdicts, places, rows),
        judgment.inside,
    )


def index_of(keys: Sequence[tuple[int, ...]], among: Sequence[tuple[int, ...]]) -> Tensor:
    """The number of each key: int64 [keys]."""
    numbers = {key: number for number, key in enumerate(among)}
    return torch.tensor([numbers[key] for key in keys], dtype=torch.int64)


def grouped(values: Tensor, groups: Tensor, count: int, how: str) -> Tensor:
    """[blocks, items] -> [blocks, groups], the smallest ("amin") or largest ("amax") of each group."""
    start = values.new_zeros(len(values), count)
    return start.scatter_reduce(1, groups.expand(len(values), -1), values, how, include_self=False)


def unseen(verdicts: Tensor, places: Sequence[tuple[int, int]], rows: Sequence[KnownRow]) -> list[tuple[int, int]]:
    """The (row, position) pairs that were needed, and that some block never computed."""
    complete = (verdicts != UNSEEN).all(0).tolist()
    seen = {place for place, is_complete in zip(places, complete, strict=True) if is_complete}
    needed = [(number, position) for number, row in enumerate(rows) for position in range(row.needed)]
    return [place for place in needed if place not in seen]
