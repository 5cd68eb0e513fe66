"""The fit of both linear probes: scikit-learn's logistic regression with an L2 penalty.

The penalty keeps the weights in the span of the rows, so that the fit is as small as the number of prompts and can go on to the
minimum itself. L-BFGS at its default tolerance, the source's solver, stops short of it, at another place for every rounding.
"""

import warnings
from typing import TYPE_CHECKING

import torch

from steering_core.directions.extraction.class_rows import stacked
from steering_core.directions.extraction.row_space import RowSpace
from steering_core.errors import SuiteError

if TYPE_CHECKING:
    from torch import Tensor

MAX_ITERATIONS, TOLERANCE = 1000, 1e-8
EPSILON = 1e-8
"""Added to a row's norm before it is divided by it, as the source does."""


def probe_weights(harmful: "Tensor", harmless: "Tensor", *, normalized: bool, limit: int = MAX_ITERATIONS) -> "Tensor":
    """Weights of a logistic regression (C = 1), bias dropped: float64 [hidden]; larger where rows are harmful.

    normalized: each row is divided by its L2 norm first. SuiteError if the fit does not converge in `limit` iterations.
    """
    # Not above: a tool may live in an interpreter without scikit-learn.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    rows, labels = stacked(harmful, harmless)
    if normalized:
        rows = rows / ((rows**2).sum(1, keepdims=True) ** 0.5 + EPSILON)
    space = RowSpace(rows)
    options = {"solver": "newton-cholesky", "tol": TOLERANCE, "max_iter": limit}
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            fit = LogisticRegression(C=1.0, **options).fit(space.coordinates, labels)
        except ConvergenceWarning:
            sentence = f"the probe did not converge in {limit} iterations"
            raise SuiteError("not-converged", sentence, "use normalized rows, or more prompts") from None
    return torch.from_numpy(space.lift(fit.coef_[0]))
