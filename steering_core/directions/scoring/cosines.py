"""Cosines between two classes of activations, aggregated in the two ways that the sources use; all in float64.

mean_then_cosine: one mean per class, one cosine (the COSMIC repository). pairwise: the cosine of each pair of prompts,
then the mean (the study, its first deviation).
"""

from typing import TYPE_CHECKING, Literal

from steering_core.errors import UsageProblem

if TYPE_CHECKING:
    from torch import Tensor

Aggregation = Literal["mean_then_cosine", "pairwise"]
LOW_SHARE = 0.10
"""COSMIC evaluates the tenth of the layers where the class means are least similar."""


def similarity(left: "Tensor", right: "Tensor", aggregation: Aggregation) -> float:
    """Two classes [prompts, layers, hidden] -> one cosine over prompts and layers together."""
    if aggregation == "mean_then_cosine":
        return float(_cosine(left.double().mean((0, 1)), right.double().mean((0, 1))))
    return float(_pairs(left, right).mean())


def layer_similarities(harmful: "Tensor", harmless: "Tensor", aggregation: Aggregation) -> "Tensor":
    """Two classes [prompts, layers, hidden] -> float64 [layers], the cosine of the classes at each layer."""
    if aggregation == "mean_then_cosine":
        return _cosine(harmful.double().mean(0), harmless.double().mean(0))
    return _pairs(harmful, harmless).mean(0)


def lowest_layers(similarities: "Tensor", share: float = LOW_SHARE) -> tuple[int, ...]:
    """L_low: the `share` of layers with the lowest similarity, lowest first, at least one; ties go to the earlier layer.

    The COSMIC repository takes int(share * layers), which is no layer at all in a model of fewer than ten.
    """
    count = max(1, int(share * len(similarities)))
    return tuple(similarities.argsort(stable=True)[:count].tolist())


def _pairs(left: "Tensor", right: "Tensor") -> "Tensor":
    """float64 [prompts, layers]; UsageProblem unless each prompt has a partner."""
    if len(left) != len(right):
        sentence = f"pairwise cosines of {len(left)} and {len(right)} prompts"
        raise UsageProblem("unpaired", sentence, "as many harmful as harmless prompts, or mean_then_cosine")
    return _cosine(left.double(), right.double())


def _cosine(left: "Tensor", right: "Tensor") -> "Tensor":
    """[..., hidden] -> [...]; 0 where a vector is zero."""
    lengths = left.norm(dim=-1) * right.norm(dim=-1)
    return (left * right).sum(-1) / lengths.clamp(min=1e-30)
