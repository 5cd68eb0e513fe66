"""First principal component of uncentered paired differences (Zou et al. 2023, section 3.1; steering-vectors' PCA of +-deltas)."""

from typing import TYPE_CHECKING

import torch

from steering_core.directions.extraction.class_rows import paired_differences
from steering_core.directions.extraction.row_space import first_component
from steering_core.directions.extraction.traits import Traits
from steering_core.errors import EmptyMeasurement

if TYPE_CHECKING:
    from torch import Tensor

TRAITS = Traits(sign="none", note="the axis is close to the difference of means; its sign is arbitrary")


def pca_uncentered(harmful: "Tensor", harmless: "Tensor") -> "Tensor":
    """[pairs, hidden] each -> unit vector, float64 [hidden], its sign arbitrary. As if each difference were taken with both
    signs: the mean is then 0, and centering removes nothing.

    SuiteError for classes of different sizes; EmptyMeasurement if every pair is two equal rows.
    """
    differences = paired_differences(harmful, harmless)
    if not differences.any():
        raise EmptyMeasurement("zero-direction", "every pair is two equal rows", "check prompts and site")
    return torch.from_numpy(first_component(differences))
