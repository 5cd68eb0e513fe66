"""The tokens that a chat template puts after the user's text."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from steering_core.models.tokens import chat_rows

PROBES = ("apple", "Blue river?", "7", "a tree!")
"""Texts with different last tokens: what their ids share at the end is the template's."""


def post_instruction_length(tokenizer: Any, prompts: Sequence[str]) -> int:
    """How many tokens at the end are the same for every text: at least 1, the last token of the prompt."""
    reversed_ids = [row[::-1] for row in chat_rows(tokenizer, (*prompts, *PROBES))]
    shared = takewhile(lambda column: len(set(column)) == 1, zip(*reversed_ids, strict=False))
    return max(1, sum(1 for _ in shared))
