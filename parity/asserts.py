"""The words of failures: observed, expected, tolerance, where. Each helper writes to the draft, then asserts."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from steering_core.compare import compare
from steering_core.draft import Draft

if TYPE_CHECKING:
    from torch import Tensor

ATOL = 1e-5
"""Protocol section D: allclose(atol=1e-5, rtol=0) on raw activations."""


def assert_same(
    cell: Draft,
    what: str,
    observed: "Tensor",
    expected: "Tensor",
    *,
    atol: float = 0.0,
    explain: Callable[[], str] | None = None,
) -> None:
    """Two tensors agree to `atol`, entry by entry; `explain` names the tensor that was returned instead."""
    __tracebackhide__ = True
    assert_equal(cell, f"{what}: shape", list(observed.shape), list(expected.shape), explain=explain)
    gap = compare(observed, expected)
    cell.note(
        max_abs=max(gap.max_abs, cell.measured.get("max_abs", 0.0)) if gap.max_abs < float("inf") else 1e300,
        tolerance=atol,
    )
    cell.note(bit_equal=gap.bit_equal and cell.measured.get("bit_equal", True), worst_prompt=gap.where[0])
    if gap.within(atol):
        cell.agree(f"{what}: {'bit-equal' if gap.bit_equal else f'max|d| = {gap.max_abs:.3g} <= {atol:g}'}")
        return
    words = f"{what}: max|d| = {gap.max_abs:.3g} > {atol:g} at {list(gap.where)}"
    if explain:
        cell.note(localised=explain())
        words = f"{words}; {cell.measured['localised']}"
    cell.differ(words)
    raise AssertionError(f"{cell.cell.id}: {words}")


def assert_equal(
    cell: Draft, what: str, observed: object, expected: object, *, explain: Callable[[], str] | None = None
) -> None:
    """Two plain values are equal."""
    __tracebackhide__ = True
    if observed == expected:
        cell.agree(f"{what}: {expected}")
        return
    words = f"{what}: observed {observed}, expected {expected}"
    if explain:
        cell.note(localised=explain())
        words = f"{words}; {cell.measured['localised']}"
    cell.differ(words)
    raise AssertionError(f"{cell.cell.id}: {words}")


def assert_holds(cell: Draft, holds: bool, sentence: str, otherwise: str) -> None:
    """A statement about measured numbers holds; both wordings carry the numbers."""
    __tracebackhide__ = True
    if holds:
        cell.agree(sentence)
        return
    cell.differ(otherwise)
    raise AssertionError(f"{cell.cell.id}: {otherwise}")
