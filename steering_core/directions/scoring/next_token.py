"""Scores of the distribution of the next token (Arditi et al. 2024, appendix B and C; their repository's constants)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from steering_core.errors import UsageProblem

if TYPE_CHECKING:
    from torch import Tensor

LOG_FLOOR, KL_FLOOR = 1e-8, 1e-6
"""Added inside the logarithms of the refusal score and of the divergence."""


def refusal_scores(logits: "Tensor", refusal_ids: Sequence[int]) -> "Tensor":
    """Log-odds that the next token begins a refusal: [prompts, vocabulary] -> float64 [prompts]."""
    if not refusal_ids:
        raise UsageProblem("refusal-tokens", "no token is named that begins a refusal", "at least one token id")
    refusing = logits.double().softmax(-1)[:, list(refusal_ids)].sum(-1)
    return (refusing + LOG_FLOOR).log() - (1 - refusing + LOG_FLOOR).log()


def divergences(before: "Tensor", after: "Tensor") -> "Tensor":
    """KL(before || after) of the next token, in nats: two [prompts, vocabulary] of logits -> float64 [prompts]."""
    p, q = before.double().softmax(-1), after.double().softmax(-1)
    return (p * ((p + KL_FLOOR).log() - (q + KL_FLOOR).log())).sum(-1)
