"""Difference of means (Arditi et al. 2024, section 2.3; the study's DIM)."""

from torch import Tensor

from steering_core.errors import EmptyMeasurement


def difference_of_means(harmful: Tensor, harmless: Tensor) -> Tensor:
    """harmful, harmless: [prompts, hidden] -> mean(harmful) - mean(harmless): float32 [hidden], not normalised.

    Means are accumulated in float64. EmptyMeasurement when a class is empty or the classes do not differ.
    """
    if not len(harmful) or not len(harmless):
        raise EmptyMeasurement("empty-class", "a class has no prompts", "give at least one prompt per class")
    direction = (harmful.double().mean(0) - harmless.double().mean(0)).float()
    if not float(direction.norm()) > 0:
        raise EmptyMeasurement("zero-direction", "the two classes have the same mean", "check prompts and site")
    return direction
