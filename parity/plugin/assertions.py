"""The words of failures: observed, expected, tolerance, where. Each helper writes to the draft, then asserts."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from steering_core.compare import compare
from steering_core.records.draft import Draft

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
    """Two tensors [batch, ...] agree to `atol`, entry by entry; `explain` names the tensor that was returned."""
    __tracebackhide__ = True
    assert_equal(cell, f"{what}: shape", list(observed.shape), list(expected.shape), explain=explain)
    gap = compare(observed, expected)
    cell.note(tolerance=atol, bit_equal=gap.bit_equal and cell.measured.get("bit_equal", True))
    if gap.max_abs >= cell.measured.get("max_abs", 0.0):
        cell.note(max_abs=gap.max_abs, worst_prompt=gap.where[0])
    if gap.within(atol):
        cell.agree(f"{what}: {'bit-equal' if gap.bit_equal else f'max|d| = {gap.max_abs:.3g} <= {atol:g}'}")
        return
    differ(cell, f"{what}: max|d| = {gap.max_abs:.3g} > {atol:g} at {list(gap.where)}", explain)


def assert_equal(
    cell: Draft, what: str, observed: object, expected: object, *, explain: Callable[[], str] | None = None
) -> None:
    """Two plain values are equal."""
    __tracebackhide__ = True
    if observed == expected:
        cell.agree(f"{what}: {expected}")
        return
    differ(cell, f"{what}: observed {observed}, expected {expected}", explain)


def assert_holds(cell: Draft, holds: bool, sentence: str, otherwise: str) -> None:
    """A statement about measured numbers holds; both wordings carry the numbers."""
    __tracebackhide__ = True
    if holds:
        cell.agree(sentence)
        return
    differ(cell, otherwise)


def differ(cell: Draft, words: str, explain: Callable[[], str] | None = None) -> NoReturn:
    """Record the difference, then look for its name: a search that crashes must not hide what was found."""
    __tracebackhide__ = True
    cell.differ(words)
    if explain:
        named = explain()
        cell.differ(f"{words}; {named}", localized=named)
    raise AssertionError(f"{cell.cell.id}: {cell.sentence}")
