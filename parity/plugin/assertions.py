"""Assertions that write to the record: what was observed and expected, the tolerance, and where they differ."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import pytest

from parity.plugin.arguments import Draft, Tool
from steering_core.compare import compare

if TYPE_CHECKING:
    from torch import Tensor

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


def differ(record: Draft, message: str, explain: Explain | None = None) -> NoReturn:
    """Record the difference before looking for its cause, so that a search that crashes does not hide it."""
    __tracebackhide__ = True
    record.differ(message)
    if explain:
        cause = explain()
        record.differ(f"{message}; {cause}", localized=cause)
    raise AssertionError(f"{record.cell.id}: {record.sentence}")


def is_known_deviation(record: Draft, tool: Tool, variant: str) -> bool:
    """Whether the file of the tool's known deviations has a row for this variant of the clause."""
    from steering_core.tools.deviations import known_deviation

    return known_deviation(tool, record.cell.clause, variant) is not None


@contextmanager
def allow_known_deviation(record: Draft, tool: Tool, variant: str) -> Iterator[None]:
    """Report the failure of a known deviation as such; a known deviation that no longer occurs is a failure."""
    from steering_core.tools.deviations import known_deviation

    deviation = known_deviation(tool, record.cell.clause, variant)
    if deviation is None:
        yield
        return
    try:
        yield
    except AssertionError:
        record.note(declared_deviation=deviation.reason, link=deviation.link)
        pytest.xfail(f"known deviation of {tool.name}: {deviation.reason}")
    differ(
        record,
        f"{tool.name} no longer deviates: {deviation.reason}; remove the row for {record.cell.clause} {variant}",
    )
