"""Which token of a packed forward call is which."""

import torch

from steering_core.models.sites import Site
from steering_core.models.tokens import pad
from steering_core.tools.edits import Add
from steering_core.tools.third_party.continuous_batching import PackedCall, PackedCalls

PROMPTS = PackedCall(torch.tensor([5, 6, 7, 8, 9]), torch.tensor([0, 1, 2, 0, 1]), [3, 5])
"""Two prompts, of three tokens and of two."""
MIXED = PackedCall(torch.tensor([1, 4, 3]), torch.tensor([3, 0, 1]), [1, 3])
"""A generated token of a prompt, and another prompt that arrived meanwhile."""


def test_a_run_from_position_zero_is_a_prompt_and_any_other_is_generated() -> None:
    assert PROMPTS.in_phase("prefill").tolist() == [True] * 5
    assert PROMPTS.in_phase("decode").tolist() == [False] * 5
    assert MIXED.in_phase("prefill").tolist() == [False, True, True]
    assert MIXED.in_phase("decode").tolist() == [True, False, False]
    assert MIXED.in_phase("both").tolist() == [True] * 3


def test_what_fills_a_row_up_behind_the_last_prompt_is_edited_in_no_phase() -> None:
    filled = PackedCall(torch.tensor([5, 0]), torch.tensor([0, 0]), [1])

    assert filled.in_phase("both").tolist() == [True, False]


def test_a_row_of_the_batch_gets_the_run_of_its_own_tokens() -> None:
    batch = pad([[8, 9], [4, 3], [5, 6, 7]], 0)
    tensors = [torch.arange(5.0).reshape(1, 5, 1), torch.arange(10.0, 13.0).reshape(1, 3, 1)]

    values = PackedCalls([PROMPTS, MIXED]).unpacked(tensors, batch)

    real = batch.mask.bool()
    assert [row[own].flatten().tolist() for row, own in zip(values, real, strict=True)] == [[3, 4], [11, 12], [0, 1, 2]]
    assert not values[~real].any(), "padding is zero"


def test_packed_prompts_get_the_runs_of_their_own_tokens() -> None:
    tensors = [torch.arange(5.0).reshape(1, 5, 1), torch.arange(10.0, 13.0).reshape(1, 3, 1)]

    values = PackedCalls([PROMPTS, MIXED]).unpacked(tensors, pad([[8, 9], [4, 3], [5, 6, 7]], 0, "packed"))

    assert values.flatten().tolist() == [3, 4, 11, 12, 0, 1, 2]


def test_an_edit_applies_to_the_call_under_way() -> None:
    vector = torch.tensor([1.0, 2.0])
    edit = Add(Site("resid_post", 0), vector, 2.0, "prefill")

    hidden, rest = PackedCalls([PROMPTS, MIXED]).edited((torch.zeros(1, 3, 2), "rest"), [edit])

    assert rest == "rest"
    assert hidden.tolist() == [[[0, 0], [2, 4], [2, 4]]]
