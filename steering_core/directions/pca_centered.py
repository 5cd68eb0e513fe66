"""First principal component of centered paired differences (Zou et al. 2023, section 3.1; repeng's pca_diff)."""

from typing import TYPE_CHECKING

import torch

from steering_core.directions.extraction.class_rows import paired_differences
from steering_core.directions.extraction.row_space import first_component
from steering_core.directions.extraction.traits import Traits
from steering_core.errors import EmptyMeasurement

if TYPE_CHECKING:
    from torch import Tensor

NOTE = "centering removes the mean difference: what is left is how the pairs differ from each other"
TRAITS = Traits(sign="none", note=NOTE)


def pca_centered(harmful: "Tensor", harmless: "Tensor") -> "Tensor":
    """[pairs, hidden] each -> unit vector, float64 [hidden], its sign arbitrary.

    SuiteError for classes of different sizes; EmptyMeasurement if all pairs have the same difference.
    """
    differences = paired_differences(harmful, harmless)
    centered = differences - differences.mean(0)
    if abs(centered).max() <= 1e-12 * abs(differences).max():
        sentence = "all pairs have the same difference: centered, nothing is left"
        raise EmptyMeasurement("zero-direction", sentence, "give at least two different pairs, or use pca_uncentered")
    return torch.from_numpy(first_component(centered))
