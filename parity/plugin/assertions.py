"""Assertions that write to the record: what was observed and expected, the tolerance, and where they differ."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from parity.plugin.arguments import Draft, Halves
from steering_core.compare import compare

if TYPE_CHECKING:
    from torch import Tensor

HALF = {"read": "reading only, steering is not offered", "generate": "steering only, reading is not offered"}
Explain = Callable[[], str]
"""Names the tensor that was returned; called only when a comparison fails."""


def assert_same(
    record: Draft,
    what: str,
    observed: "Tensor",
    expected: "Tensor",
    *,
    atol: float = 0.0,
    explain: Explain | None = None,
) -> None:
    """Two tensors [batch, ...] agree entry by entry, to `atol`."""
    __tracebackhide__ = True
    assert_equal(record, f"{what}: shape", list(observed.shape), list(expected.shape), explain=explain)
    gap = compare(observed, expected)
    record.note(tolerance=atol, bit_equal=gap.bit_equal and record.measured.get("bit_equal", True))
    if gap.max_abs >= record.measured.get("max_abs", 0.0):
        record.note(max_abs=gap.max_abs, worst_prompt=gap.where[0])
    if not gap.within(atol):
        differ(record, f"{what}: max|d| = {gap.max_abs:.3g} > {atol:g} at {list(gap.where)}", explain)
    record.agree(f"{what}: {'bit-equal' if gap.bit_equal else f'max|d| = {gap.max_abs:.3g} <= {atol:g}'}")


def assert_equal(
    record: Draft, what: str, observed: object, expected: object, *, explain: Explain | None = None
) -> None:
    """Two plain values are equal."""
    __tracebackhide__ = True
    if observed != expected:
        differ(record, f"{what}: observed {observed}, expected {expected}", explain)
    record.agree(f"{what}: {expected}")


def assert_holds(record: Draft, holds: bool, sentence: str, otherwise: str = "") -> None:
    """A statement about measured numbers holds; `otherwise` replaces the sentence if it does not."""
    __tracebackhide__ = True
    if not holds:
        differ(record, otherwise or sentence)
    record.agree(sentence)


def state_half(record: Draft, halves: Halves) -> None:
    """Let the record of a tool that only reads, or only steers, say which half was measured."""
    if len(halves) == 1:
        measured = HALF[halves[0]]
        record.agree(f"{record.sentence} ({measured})", half=measured)


def differ(record: Draft, message: str, explain: Explain | None = None) -> NoReturn:
    """Record the difference before looking for its cause, so that a search that crashes does not hide it."""
    __tracebackhide__ = True
    record.differ(message)
    if explain:
        cause = explain()
        record.differ(f"{message}; {cause}", localized=cause)
    raise AssertionError(f"{record.cell.id}: {record.sentence}")
