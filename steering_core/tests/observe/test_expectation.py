"""The expected effect of steering, against values written out by hand."""

import pytest
import torch
from torch import Tensor

from steering_core.errors import ToolUnsupported
from steering_core.models.sites import Site
from steering_core.observe.expectation import (
    ColumnCounter,
    check_editable,
    expected_output,
    expected_stream,
    expected_tokens,
)
from steering_core.tests.edit_cases import CASES, POSITIONS, RIGHT_PADDED, ROUNDED, TOKEN
from steering_core.tools.edits import Ablate, Add, Edit, Phase, Span

SITE = Site("resid_post", 0)
MASK = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])


def columns(cached: bool, widths: list[int]) -> list[list[int]]:
    counter = ColumnCounter(cached)
    return [list(counter.next(width)) for width in widths]


def test_calls_are_counted_in_absolute_columns() -> None:
    assert columns(True, [4, 1, 1]) == [[0, 1, 2, 3], [4], [5]]
    assert columns(True, [3, 1, 1]) == [[0, 1, 2], [3], [4]], "a prompt of four in chunks of three"
    assert columns(False, [2, 3]) == [[0, 1], [0, 1, 2]]


@pytest.mark.parametrize(
    ("phase", "call", "expected"),
    [
        ("both", range(0, 4), ["..xx", "xxxx"]),
        ("both", range(4, 5), ["x", "x"]),
        ("both", range(0, 6), ["..xxxx", "xxxxxx"]),
        ("both", range(1, 3), [".x", "xx"]),
        ("both", range(3, 5), ["xx", "xx"]),
        ("prefill", range(0, 4), ["..xx", "xxxx"]),
        ("prefill", range(4, 5), [".", "."]),
        ("prefill", range(0, 6), ["..xx..", "xxxx.."]),
        ("decode", range(0, 4), ["....", "...."]),
        ("decode", range(6, 7), ["x", "x"]),
        ("decode", range(0, 6), ["....xx", "....xx"]),
    ],
)
def test_edits_apply_to_the_real_tokens_of_their_phase(phase: Phase, call: range, expected: list[str]) -> None:
    assert marks(expected_tokens(MASK, call, phase)) == expected


def marks(tokens: Tensor) -> list[str]:
    return ["".join("x" if token else "." for token in row) for row in tokens]


def test_right_padding_is_never_edited() -> None:
    assert expected_tokens(torch.tensor([[1, 1, 0]]), range(0, 4), "both").tolist() == [[True, True, False, True]]


@pytest.mark.parametrize(("positions", "phase", "call", "expected"), POSITIONS, ids=str)
def test_edits_apply_to_a_range_of_positions(positions: Span, phase: Phase, call: range, expected: list[str]) -> None:
    assert marks(expected_tokens(MASK, call, phase, positions)) == expected


def test_positions_of_right_padded_rows() -> None:
    mask, positions, call, expected = RIGHT_PADDED

    assert marks(expected_tokens(mask, call, "both", positions)) == expected


def output(edit: Edit, values: list[float], dtype: torch.dtype = torch.float32) -> list[float]:
    moved = expected_output(torch.tensor(values, dtype=dtype), edit)
    assert moved.dtype == dtype
    return moved.tolist()


def test_addition_and_ablation() -> None:
    assert output(Add(SITE, torch.tensor([1.0, -2.0]), 3.0), [10.0, 10.0]) == [13.0, 4.0]
    assert output(Ablate(SITE, torch.tensor([0.0, 5.0])), [3.0, 4.0]) == [3.0, 0.0]
    assert output(Ablate(SITE, torch.tensor([1.0, 1.0])), [2.0, 0.0]) == pytest.approx([1.0, -1.0])


@pytest.mark.parametrize(("edit", "expected"), CASES.values(), ids=CASES)
def test_every_mode_of_editing(edit: Edit, expected: list[float]) -> None:
    assert output(edit, TOKEN) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("edit", "value", "expected"), ROUNDED.values(), ids=ROUNDED)
def test_the_result_is_rounded_once(edit: Edit, value: float, expected: float) -> None:
    assert output(edit, [value], torch.bfloat16) == [expected]


def test_the_product_is_rounded_once_and_added_in_the_models_dtype() -> None:
    # bfloat16 has 8 significant bits. 1.01 * 3 = 3.03 rounds to 3.03125; 1.01 alone would round to 1.0078125 first,
    # and three times that to 3.015625.
    assert output(Add(SITE, torch.tensor([1.01]), 3.0), [0.0], torch.bfloat16) == [3.03125]
    # The sum 256 + 0.9 lies between 256 and 258, and rounds down.
    assert output(Add(SITE, torch.tensor([0.9]), 1.0), [256.0], torch.bfloat16) == [256.0]


def stream(edits: list[Edit]) -> Tensor:
    return expected_stream(torch.ones(2, 4, 1), edits, MASK, range(0, 4))[..., 0]


def test_several_edits_apply_in_order_where_each_applies() -> None:
    one, away = Add(SITE, torch.tensor([1.0]), 2.0), Ablate(SITE, torch.tensor([1.0]))

    assert stream([one, away]).tolist() == [[1, 1, 0, 0], [0, 0, 0, 0]]
    assert stream([away, one]).tolist() == [[1, 1, 2, 2], [2, 2, 2, 2]]
    assert stream([one, Add(SITE, torch.tensor([1.0]), 5.0, "decode")]).tolist() == [[1, 1, 3, 3], [3, 3, 3, 3]]
    assert stream([]).tolist() == [[1, 1, 1, 1], [1, 1, 1, 1]]


def test_only_streams_whose_edits_move_their_own_tokens_can_be_expected() -> None:
    inside = Add(Site("mlp_out", 1), torch.ones(1), 1.0)
    check_editable([Add(SITE, torch.ones(1), 1.0), inside])
    with pytest.raises(ToolUnsupported, match=r"cannot edit k@1 \(edit-site\); edit resid_post, attn_out"):
        check_editable([inside, Add(Site("k", 1), torch.ones(1), 1.0)])
    with pytest.raises(ToolUnsupported, match=r"cannot edit mlp_out@1 .*; edit resid_post$"):
        check_editable([inside], ["resid_post"])
