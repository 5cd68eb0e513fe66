"""Which row and position a token is, whatever the call looks like."""

import pytest
import torch

from steering_core.models.tokens import pad
from steering_core.observe.model_call import ModelCall
from steering_core.observe.row_matching import KnownRow, RowMatcher, known_rows

ROWS = [[5, 6, 7], [5, 6, 8], [5, 6, 7], [5, 6, 7, 9]]
ANSWERS = [[1, 2, 3], [1, 4, 3], [1, 2, 3], [2, 2, 2]]
Matched = list[tuple[int, list[int], int]]


def matcher() -> RowMatcher:
    return RowMatcher(known_rows(pad(ROWS, 0), torch.tensor(ANSWERS), []))


def call(ids: list[list[int]], past: int = 0, mask: list[list[int]] | None = None) -> ModelCall:
    real = None if mask is None else torch.tensor(mask).bool()
    return ModelCall(torch.tensor(ids), mask=real, past=past)


def match(rows: RowMatcher, given: ModelCall) -> Matched:
    """(row of the call, rows of the batch, first position) of each run."""
    return [(one.place[1], sorted(one.rows), one.start) for one in rows.match(given, given.ids)]


def test_a_run_from_the_start_belongs_to_every_row_that_begins_with_it() -> None:
    assert match(matcher(), call([[5, 6, 7], [5, 6, 8], [5, 6, 1]])) == [(0, [0, 2, 3], 0), (1, [1], 0)]


def test_a_later_run_belongs_to_the_rows_that_it_continues() -> None:
    rows = matcher()
    match(rows, call([[5, 6, 8]]))

    assert match(rows, call([[1]], past=3)) == [(0, [1], 3)], "the first and the third row continue with 1, too"
    assert match(rows, call([[2]], past=4)) == [], "not what the row continues with"


def test_a_run_without_a_beginning_belongs_to_no_row() -> None:
    assert match(matcher(), call([[7]], past=2)) == []


def test_packed_rows_are_told_apart_where_their_positions_follow_one_another() -> None:
    """Two prompts in one row, then a token of each: the second stands one position behind the first."""
    rows = RowMatcher(known_rows(pad([[5, 6, 7], [5, 6, 7, 9]], 0), torch.tensor([[1, 2], [2, 3]]), []))
    prompts = torch.tensor([[0, 1, 2, 0, 1, 2, 3]])
    match(rows, ModelCall(torch.tensor([[5, 6, 7, 5, 6, 7, 9]]), positions=prompts, starts=frozenset({0, 3})))

    decode = ModelCall(torch.tensor([[1, 2]]), positions=torch.tensor([[3, 4]]), starts=frozenset({0, 1}))

    assert match(rows, decode) == [(0, [0], 3), (0, [1], 4)]


def test_rows_of_a_call_stay_what_they_were() -> None:
    """Two rows whose first generated token is the same, then a call of the same shape."""
    rows = matcher()
    match(rows, call([[5, 6, 7], [5, 6, 8]]))

    assert match(rows, call([[1], [1]], past=3)) == [(0, [0, 2], 3), (1, [1], 3)]
    assert match(rows, call([[2], [4]], past=4)) == [(0, [0, 2], 4), (1, [1], 4)]


def test_rows_computed_in_turn_are_told_apart_once_they_differ() -> None:
    rows = matcher()
    match(rows, call([[5, 6, 7]]))
    match(rows, call([[5, 6, 8]]))

    assert match(rows, call([[1]], past=3)) == [(0, [0, 1, 2], 3)]
    assert match(rows, call([[1]], past=3)) == [(0, [1], 3)]
    assert match(rows, call([[2]], past=4)) == [(0, [0, 2], 4)]
    assert match(rows, call([[4]], past=4)) == [(0, [1], 4)]


def test_a_shared_beginning_is_continued_by_every_row() -> None:
    rows = matcher()
    match(rows, call([[5, 6]]))

    assert match(rows, call([[7], [8], [7], [7]], past=2)) == [
        (0, [0, 2, 3], 2),
        (1, [1], 2),
        *[(n, [0, 2, 3], 2) for n in (2, 3)],
    ]


def test_padding_between_a_shared_beginning_and_the_rest_has_no_position() -> None:
    rows = matcher()
    match(rows, call([[5, 6]]))

    assert match(rows, call([[0, 8], [7, 9]], past=2, mask=[[1, 1, 0, 1], [1, 1, 1, 1]])) == [(0, [1], 2), (1, [3], 2)]


def test_foreign_rows_stay_foreign() -> None:
    """A row of another prompt, whose later tokens are those of a row of the batch."""
    rows = matcher()
    match(rows, call([[9, 9, 9], [5, 6, 8]]))

    assert match(rows, call([[1], [1]], past=3)) == [(1, [1], 3)]


def test_a_run_of_another_row_at_the_same_place_is_not_continued() -> None:
    """The fourth row comes first in its call, the second row second; then the second row is continued by itself."""
    rows = matcher()
    match(rows, call([[5, 6, 7, 9]]))
    match(rows, call([[9, 9, 9, 9], [5, 6, 8, 1]]))

    assert match(rows, call([[4]], past=4)) == [(0, [1], 4)]


def test_a_beginning_that_nothing_continues_is_not_used() -> None:
    rows = matcher()
    (warm_up,) = rows.match(call([[5, 6]]), torch.tensor([[5, 6]]))
    (whole,) = rows.match(call([[5, 6, 8]]), torch.tensor([[5, 6, 8]]))
    assert (rows.is_used(warm_up), rows.is_used(whole)) == (False, True)

    match(rows, call([[8]], past=2))
    assert rows.is_used(warm_up)


@pytest.mark.parametrize(
    ("answer", "ends", "tokens", "needed"),
    [([1, 2, 3], [], (5, 1, 2, 3), 3), ([1, 2, 0], [2], (5, 1, 2), 2), ([2, 0, 0], [2], (5, 2), 1), ([], [], (5,), 1)],
)
def test_what_a_row_needs_ends_before_its_last_token(
    answer: list[int], ends: list[int], tokens: tuple[int, ...], needed: int
) -> None:
    (row,) = known_rows(pad([[5]], 0), torch.tensor([answer], dtype=torch.long), ends)

    assert (row.tokens, row.needed, row.answered) == (tokens, needed, True)
    assert not row.judged(needed)


def test_a_row_without_an_answer_is_judged_as_far_as_it_goes() -> None:
    assert known_rows(pad([[5], [6]], 0), torch.tensor([[1]]), [])[1] == KnownRow((6,), 1, answered=False)
    assert KnownRow((6,), 1, answered=False).judged(7)
