"""What the parity hooks keep on pytest's config and items; typed keys, no globals."""

import pytest

from parity.plugin.request.run_matrix import RunMatrix
from steering_core.records.draft import Draft
from steering_core.records.record import Cell

MATRIX = pytest.StashKey[RunMatrix]()
"""The resolved run."""
FAILED = pytest.StashKey[dict[str, str]]()
"""Model key -> the first failed preflight cell and its sentence."""
DRAFT = pytest.StashKey[Draft | None]()
"""A check's record in the making; None for tests that are not checks."""
HELD = pytest.StashKey[set[str]]()
"""Ids of the preflight cells that agreed in this process."""
REQUIRED = pytest.StashKey[tuple[Cell, ...]]()
"""Every cell of the selected models, before -k."""
