"""What a check renders itself with a chat template is rendered within the same limits."""

from collections.abc import Callable
from typing import Any

import pytest
from transformers import AutoTokenizer

from parity.plugin.recomputed import rendered_ids, template_ids
from steering_core.errors import LoadProblem
from steering_core.models.tokens import chat_rows
from steering_core.places import FIXTURES

TRAP = "{% if 'a trap' in messages[0]['content'] %}{{ raise_exception('no') }}{% endif %}"


@pytest.mark.parametrize("render", [template_ids, rendered_ids])
def test_a_template_that_fails_on_one_prompt_is_one_line(render: Callable[[Any, list[str]], list[list[int]]]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(FIXTURES / "checkpoints" / "tiny_qwen2")
    own = render(tokenizer, ["hello", "é"])
    tokenizer.chat_template = TRAP + tokenizer.chat_template
    assert render(tokenizer, ["hello", "é"]) == chat_rows(tokenizer, ["hello", "é"]) == own
    with pytest.raises(LoadProblem, match=r"the chat template fails on a prompt: TemplateError: no"):
        render(tokenizer, ["hello", "a trap"])
