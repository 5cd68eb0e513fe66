"""How many tokens of the chat template follow the user's text."""

import pytest

from steering_core.models.load import load
from steering_core.models.template import post_instruction_length
from steering_core.tests.chat_checkpoint import word_tokenizer


@pytest.mark.parametrize(
    ("key", "tokens"),
    [
        ("tiny_qwen2", ["<|im_end|>", "Ċ", "<|im_start|>", "assistant", "Ċ"]),
        ("tiny_gpt2", ["Ċ", "Assistant", ":"]),
    ],
)
def test_the_tokens_after_the_text_are_the_templates(key: str, tokens: list[str]) -> None:
    model = load(key)

    count = post_instruction_length(model.tokenizer, ["Write a poem.", "Explain rain."])

    assert count == len(tokens)
    assert model.tokenizer.convert_ids_to_tokens(model.chat_ids("Any text"))[-count:] == tokens


def test_prompts_that_end_alike_do_not_lengthen_the_template() -> None:
    """In this vocabulary the probes are unknown words, so the prompts themselves tell the template's end."""
    tokenizer = word_tokenizer()

    assert post_instruction_length(tokenizer, ["w10 w30", "w11 w30"]) == 1
