"""Prompts as token ids, padded on either side; the batches are small enough to be written out."""

from typing import Any

import pytest
import torch
from tokenizers.processors import TemplateProcessing

from steering_core.errors import EmptyMeasurement
from steering_core.models.tokens import Side, chat_ids, encode, pad, pad_id
from steering_core.tests.chat_checkpoint import word_tokenizer
from steering_core.tests.counting_waits import counted_waits

ROWS = [[5, 6, 7], [8]]


def test_left_padding_puts_the_last_real_token_last() -> None:
    batch = pad(ROWS, 9, "left")

    assert batch.ids.tolist() == [[5, 6, 7], [9, 9, 8]]
    assert batch.mask.tolist() == [[1, 1, 1], [0, 0, 1]]
    assert batch.last.tolist() == [2, 2]
    assert batch.position_ids.tolist() == [[0, 1, 2], [0, 0, 0]]


def test_right_padding_keeps_the_end_of_each_row() -> None:
    batch = pad(ROWS, 9, "right")

    assert batch.ids.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert batch.mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch.last.tolist() == [2, 0]
    assert batch.position_ids[:, 0].tolist() == [0, 0]
    assert batch.position_ids[0].tolist() == [0, 1, 2]


def test_a_padding_id_that_is_also_a_real_token_changes_nothing() -> None:
    batch = pad([[5, 9], [8]], 9, "left")

    assert batch.mask.tolist() == [[1, 1], [0, 1]], "the mask comes from the lengths, not from the ids"


@pytest.mark.parametrize("side", ["left", "right"])
def test_at_last_takes_the_row_of_the_last_real_token(side: Side) -> None:
    batch = pad(ROWS, 9, side)
    hidden = batch.ids[..., None].float() * torch.tensor([1.0, 10.0])

    assert batch.at_last(hidden).tolist() == [[7.0, 70.0], [8.0, 80.0]]


@pytest.mark.parametrize("rows", [[], [[5], []]])
def test_refuses_an_empty_batch_or_row(rows: list[list[int]]) -> None:
    with pytest.raises(EmptyMeasurement, match="empty"):
        pad(rows, 9)


def test_the_digest_depends_on_everything_the_model_sees() -> None:
    changes = [(ROWS, 9, "right"), (ROWS, 0, "left"), ([*ROWS, [8]], 9, "left"), ([[5, 6, 7], [9, 8]], 9, "left")]
    batches = [pad(ROWS, 9, "left"), *(pad(*change) for change in changes)]  # type: ignore[arg-type]

    assert len({batch.digest for batch in batches}) == len(batches)
    assert pad(ROWS, 9, "left").digest == batches[0].digest == batches[0].to("cpu").digest


def test_the_digest_of_one_full_row_depends_on_its_side() -> None:
    assert pad([[5, 6]], 9, "left").digest != pad([[5, 6]], 9, "right").digest


def test_inputs_are_the_arguments_of_a_transformers_forward() -> None:
    batch = pad(ROWS, 9)

    assert set(batch.inputs()) == {"input_ids", "attention_mask", "position_ids"}
    assert batch.inputs()["position_ids"].tolist() == batch.position_ids.tolist()


def test_packed_prompts_follow_one_another_in_one_row_and_begin_at_position_zero() -> None:
    batch = pad([[5, 6, 7], [8], [9, 5]], 0, "packed")

    assert batch.ids.tolist() == [[5, 6, 7, 8, 9, 5]]
    assert batch.mask.tolist() == [[1] * 6]
    assert batch.last.tolist() == [2, 3, 5]
    assert batch.position_ids.tolist() == [[0, 1, 2, 0, 0, 1]]
    assert batch.at_last(batch.ids[..., None].float()).tolist() == [[7.0], [8.0], [5.0]]
    assert batch.to("cpu").digest == batch.digest


def test_packed_prompts_are_given_without_a_mask_and_without_a_cache() -> None:
    given = pad(ROWS, 0, "packed").inputs()

    assert set(given) == {"input_ids", "position_ids", "use_cache"}
    assert given["position_ids"].tolist() == [[0, 1, 2, 0]]
    assert given["use_cache"] is False


def test_where_packed_prompts_end_belongs_to_their_digest() -> None:
    assert pad([[5, 6], [7]], 0, "packed").digest != pad([[5], [6, 7]], 0, "packed").digest


@pytest.mark.parametrize("side", ["left", "right", "packed"])
def test_the_prompts_of_a_batch_are_those_that_it_was_made_of(side: Side) -> None:
    batch = pad(ROWS, 5, side)

    assert batch.prompts() == ROWS
    assert batch.lengths == [3, 1]


def test_prompts_go_through_the_chat_template() -> None:
    tokenizer = word_tokenizer()

    assert chat_ids(tokenizer, "w10 w11") == [2, 10, 11, 4]
    batch = encode(tokenizer, ["w10 w11", "w12"], "right")
    assert batch.ids.tolist() == [[2, 10, 11, 4], [2, 12, 4, 0]]
    assert batch.side == "right"


def test_no_second_start_token_is_added_to_the_template() -> None:
    tokenizer = word_tokenizer()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<end> $A", special_tokens=[("<end>", 1)])

    assert tokenizer("w10")["input_ids"] == [1, 10], "this tokenizer starts every text with a token"
    assert chat_ids(tokenizer, "w10") == [2, 10, 4]


class NoPad:
    """A tokenizer without padding token."""

    pad_token_id = None

    def __init__(self, end: int | None) -> None:
        self.eos_token_id = end


@pytest.mark.parametrize(("tokenizer", "expected"), [(word_tokenizer(), 0), (NoPad(7), 7), (NoPad(None), 0)])
def test_padding_falls_back_on_the_end_token(tokenizer: Any, expected: int) -> None:
    assert pad_id(tokenizer) == expected


def test_a_digest_is_computed_again_only_after_a_write(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = pad(ROWS, 9, "left")
    waits = counted_waits(monkeypatch)
    first = batch.digest

    assert batch.digest == first
    assert waits == ["cpu"]
    batch.ids[0, -1] += 1
    assert batch.digest != first
    batch.ids[0, -1] -= 1
    assert batch.digest == first
    assert waits == ["cpu"] * 3
