"""What checks compute a second time for themselves: token positions, token ids and the difference of means.

The core computes each of them too, for the tools; a check that took them from there could not see them go wrong.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from parity.plugin.arguments import Experiment
from steering_core.models.limited import within_limits

if TYPE_CHECKING:
    from torch import Tensor

METHOD = "difference_of_means"
"""The direction method that is computed again here."""


def last_real_tokens(mask: "Tensor") -> list[int]:
    """Of each row of a mask, int64 [batch, seq], the column of its last 1."""
    return [max(column for column, real in enumerate(row) if real) for row in mask.tolist()]


def real_ids(ids: "Tensor", mask: "Tensor") -> list[list[int]]:
    """ids, mask: int64 [batch, seq] -> the ids of each row at real tokens."""
    rows = zip(ids.tolist(), mask.tolist(), strict=True)
    return [[token for token, real in zip(row, kept, strict=True) if real] for row, kept in rows]


def template_ids(tokenizer: Any, prompts: Sequence[str]) -> list[list[int]]:
    """`apply_chat_template(tokenize=True)` on each prompt as one user turn, ready for the answer."""
    form = {"add_generation_prompt": True, "return_dict": True}
    return within_limits(
        tokenizer, lambda: [list(tokenizer.apply_chat_template(_turn(text), **form)["input_ids"]) for text in prompts]
    )


def rendered_ids(tokenizer: Any, prompts: Sequence[str]) -> list[list[int]]:
    """The same turns rendered to text, and the texts tokenized without adding special tokens."""
    form = {"add_generation_prompt": True, "tokenize": False}
    texts = within_limits(tokenizer, lambda: [tokenizer.apply_chat_template(_turn(text), **form) for text in prompts])
    return [list(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]


def _turn(prompt: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}]


def difference_of_means(experiment: Experiment) -> "Tensor":
    """mean(harmful) - mean(harmless) of what the next block received at the last real tokens: float64 [hidden]."""
    batch, pairs = experiment.extraction, len(experiment.prompts.harmful)
    received = experiment.truth(batch)[experiment.settings.layer + 1].cpu().double()
    last = last_real_tokens(batch.mask)
    rows = received[range(len(last)), last]
    return rows[:pairs].sum(0) / pairs - rows[pairs:].sum(0) / (len(rows) - pairs)
