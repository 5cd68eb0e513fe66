"""The words of failures: observed, expected, tolerance, where. Each helper writes to the draft, then asserts."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from steering_core.compare import compare
from steering_core.records.draft import Draft

if TYPE_CHECKING:
    from torch import Tensor


def assert_same(
    record: Draft,
    what: str,
    observed: "Tensor",
    expected: "Tensor",
    *,
    atol: float = 0.0,
    explain: Callable[[], str] | None = None,
) -> None:
    """Two tensors [batch, ...] agree to `atol`, entry by entry; `explain` names the tensor that was returned."""
    __tracebackhide__ = True
    assert_equal(record, f"{what}: shape", list(observed.shape), list(expected.shape), explain=explain)
    gap = compare(observed, expected)
    record.note(tolerance=atol, bit_equal=gap.bit_equal and record.measured.get("bit_equal", True))
    if gap.max_abs >= record.measured.get("max_abs", 0.0):
        record.note(max_abs=gap.max_abs, worst_prompt=gap.where[0])
    if gap.within(atol):
        record.agree(f"{what}: {'bit-equal' if gap.bit_equal else f'max|d| = {gap.max_abs:.3g} <= {atol:g}'}")
        return
    differ(record, f"{what}: max|d| = {gap.max_abs:.3g} > {atol:g} at {list(gap.where)}", explain)


def assert_equal(
    record: Draft, what: str, observed: object, expected: object, *, explain: Callable[[], str] | None = None
) -> None:
    """Two plain values are equal."""
    __tracebackhide__ = True
    if observed == expected:
        record.agree(f"{what}: {expected}")
        return
    differ(record, f"{what}: observed {observed}, expected {expected}", explain)


def assert_holds(record: Draft, holds: bool, sentence: str, otherwise: str) -> None:
    """A statement about measured numbers holds; both wordings carry the numbers."""
    __tracebackhide__ = True
    if holds:
        record.agree(sentence)
        return
    differ(record, otherwise)


def differ(record: Draft, words: str, explain: Callable[[], str] | None = None) -> NoReturn:
    """Record the difference, then look for its name: a search that crashes must not hide what was found."""
    __tracebackhide__ = True
    record.differ(words)
    if explain:
        named = explain()
        record.differ(f"{words}; {named}", localized=named)
    raise AssertionError(f"{record.cell.id}: {record.sentence}")
