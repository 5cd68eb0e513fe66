"""Batch-invariant arithmetic: a prompt's numbers do not depend on the batch, the padding or the other rows."""

from steering_core.exact.arithmetic import exact_arithmetic
from steering_core.exact.difference import Difference, first_difference, require_exact

__all__ = ["Difference", "exact_arithmetic", "first_difference", "require_exact"]
