"""FastICA, mixing column 0 (Hyvärinen and Oja 2000, section 6; as trait-interp of November 2025 used it)."""

import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch

from steering_core.directions.extraction.class_rows import stacked
from steering_core.directions.extraction.row_space import RowSpace
from steering_core.directions.extraction.traits import Traits
from steering_core.errors import EmptyMeasurement, SuiteError

if TYPE_CHECKING:
    from torch import Tensor

COMPONENTS, SEED, MAX_ITERATIONS = 10, 42, 1000
TRAITS = Traits(sign="none", note="component 0 is an arbitrary one, and the labels are not used")


def ica(harmful: "Tensor", harmless: "Tensor") -> "Tensor":
    """[prompts, hidden] each -> column 0 of the mixing matrix, float64 [hidden], not normalized, its sign arbitrary.

    10 components, or as many as the rows span. SuiteError if FastICA does not converge in 1000 iterations;
    EmptyMeasurement if all rows are equal.
    """
    # Not above: a tool may live in an interpreter without scikit-learn.
    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    rows, _ = stacked(harmful, harmless)
    space = RowSpace(rows - rows.mean(0))
    rank = int(np.linalg.matrix_rank(space.coordinates, rtol=max(rows.shape) * np.finfo(float).eps))
    if not rank:
        raise EmptyMeasurement("zero-direction", "all rows are equal: no components", "check prompts and site")
    components = min(COMPONENTS, rank)
    model = FastICA(components, whiten="unit-variance", random_state=SEED, max_iter=MAX_ITERATIONS)
    # It divides by every singular value, and then drops the components of the zero ones.
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            mixing = model.fit(space.coordinates).mixing_
        except ConvergenceWarning:
            sentence = f"FastICA of {len(rows)} rows did not converge in {MAX_ITERATIONS} iterations"
            raise SuiteError("not-converged", sentence, "give more prompts") from None
    return torch.from_numpy(space.lift(mixing[:, 0]))
