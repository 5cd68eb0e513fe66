"""Difference of means (Arditi et al. 2024, section 2.3; the study's DIM)."""

from torch import Tensor

from steering_core.errors import EmptyMeasurement


def difference_of_means(harmful: Tensor, harmless: Tensor) -> Tensor:
    """harmful, harmless: [prompts, hidden] -> mean(harmful) - mean(harmless): float32 [hidden], not normalized.

    Means are accumulated in float64. EmptyMeasurement when a class is empty, the classes do not differ, or a
    mean is not finite.
    """
    if not len(harmful) or not len(harmless):
        raise EmptyMeasurement("empty-class", "a class has no prompts", "give at least one prompt per class")
    direction = (harmful.double().mean(0) - harmless.double().mean(0)).float()
    if not bool(direction.isfinite().all()):
        raise EmptyMeasurement(
            "not-finite", "a mean activation is NaN or infinite", "use a wider dtype; check the site"
        )
    if not bool(direction.any()):
        raise EmptyMeasurement("zero-direction", "the two classes have the same mean", "check prompts and site")
    return direction
