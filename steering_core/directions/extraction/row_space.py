"""Rows in a basis of the space that they span: prompts are far fewer than features, and a fit costs as much as its width.

What depends on inner products alone (principal and independent components, weights of a penalized regression) turns with the
rows and lies in their span: found in the basis and lifted, it is the same direction.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class RowSpace:
    """coordinates: float64 [rows, rows + 1] of rows [rows, hidden], or the rows themselves where hidden is no larger.

    The first coordinate is the first feature: scikit-learn's FastICA takes the signs of its components from that.
    """

    def __init__(self, rows: "NDArray[np.float64]") -> None:
        self.coordinates, self.basis = rows, None
        if len(rows) + 1 < rows.shape[1]:
            first = np.zeros((rows.shape[1], 1))
            first[0] = 1
            basis, parts = np.linalg.qr(np.hstack([first, rows.T]))
            sign = parts[0, 0]
            basis[:, 0] *= sign
            parts[0] *= sign
            self.coordinates, self.basis = np.ascontiguousarray(parts[:, 1:].T), basis

    def lift(self, vector: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """A vector of the basis, [rows + 1], among the features: [hidden]."""
        return np.array(vector) if self.basis is None else self.basis @ vector


def first_component(rows: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """The first right singular vector of rows, [rows, hidden]: unit, [hidden]; its largest entry is positive, which is the
    sign that scikit-learn gives a principal component."""
    space = RowSpace(rows)
    vector = space.lift(np.linalg.svd(space.coordinates, full_matrices=False)[2][0])
    return vector if vector[np.abs(vector).argmax()] > 0 else -vector
