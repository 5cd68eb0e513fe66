"""The lines of the decision rules (PROTOCOL §5) and their arithmetic.

Cosines are compared as 1 - cosine in float64 and rates as fractions, so that no rounding decides at a line.
"""

from fractions import Fraction

STABLE = 1e-3
"""Within-tool cosine > 0.999."""
AGREE = 1e-2
"""Cross-tool cosine > 0.99."""
DIVERGE = 5e-2
"""Cross-tool cosine < 0.95."""
AGREE_PP = 5
"""Largest gap of coherent rate that still agrees, percentage points; 5 itself agrees."""
DIVERGE_PP = 20
"""A gap above this diverges, percentage points; 20 itself does not."""
SLACK = 1e-12
"""A float64 cosine may exceed 1 by this much; beyond it, the number is a bug."""

LINES: dict[str, float] = {
    "stable: within-tool cosine above": 1 - STABLE,
    "agrees: cross-tool cosine above": 1 - AGREE,
    "diverges: cross-tool cosine below": 1 - DIVERGE,
    "agrees: gap of coherent rate at most, pp": AGREE_PP,
    "diverges: gap of coherent rate above, pp": DIVERGE_PP,
}
"""The same lines in the protocol's words; printed with every verdict."""


def is_stable(one_minus_cosine: float) -> bool:
    """Whether the worst pair of repeats counts as the same direction."""
    return one_minus_cosine < STABLE


def band_of_cosine(one_minus_cosine: float) -> str:
    """agrees | between | diverges, for a cross-tool direction cosine."""
    if one_minus_cosine < AGREE:
        return "agrees"
    return "diverges" if one_minus_cosine > DIVERGE else "between"


def band_of_gap(points: Fraction) -> str:
    """agrees | between | diverges, for a gap of coherent rate in percentage points."""
    if points <= AGREE_PP:
        return "agrees"
    return "diverges" if points > DIVERGE_PP else "between"
