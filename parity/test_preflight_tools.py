"""Preflight P6: every pair of tools returns the same raw activations, prompt by prompt."""

import pytest

from parity.asserts import ATOL, assert_equal, assert_same


@pytest.mark.clause("P6")
def test_agreement(cycle, tools, cell):
    """P6: allclose(atol=1e-5, rtol=0) on the raw activations of every prompt; bit equality is reported too."""
    batch = cycle.extraction
    first, second = (cycle.read(tool, batch)[cycle.site] for tool in tools)
    assert_equal(cell, "shape", list(first.shape), list(second.shape))
    real = batch.mask[..., None].bool()
    names = " against ".join(tool.name for tool in tools)
    assert_same(cell, f"{cycle.site} of {names}", first.where(real, 0), second.where(real, 0), atol=ATOL)
