"""Assertions that write to the record: what was observed and expected, the tolerance, and where they differ."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

import pytest

from parity.plugin.arguments import Draft, Halves
from steering_core.compare import Difference, compare

if TYPE_CHECKING:
    from torch import Tensor

    from steering_core.localize import Localization

HALF = {"read": "reading only, steering is not offered", "generate": "steering only, reading is not offered"}
Explain = Callable[[], str]
"""Names the tensor that was returned; called only when a comparison fails."""
Localize = Callable[[], "dict[str, Localization]"]
"""{who returned it ("" if there is one only): what was returned}; called only when values are not the expected ones."""
RELATIONS = ("bit-equal", "within floor", "beyond floor")
"""How two tensors compare, from best to worst (PROTOCOL section 3)."""


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


def assert_within_floor(
    record: Draft,
    what: str,
    observed: "Tensor",
    expected: "Tensor",
    *,
    floor: Callable[[], float],
    localize: Localize,
    atol: float = 0.0,
    own: bool = False,
) -> None:
    """Two tensors [batch, ...] agree up to rounding: within the noise floor or `atol`, whichever is larger, and what was
    returned is the requested tensor by name. The floor and the name are asked for only where values differ. own: the
    expected values were observed in the model, by no tool."""
    __tracebackhide__ = True
    assert_equal(record, f"{what}: shape", list(observed.shape), list(expected.shape))
    gap = compare(observed, expected)
    if own and math.isinf(gap.max_abs) and (lost := int((~expected.isfinite()).sum())):
        differ(record, f"{what}: {lost} of {expected.numel()} values of the model itself are not finite")
    allowed = atol if gap.max_abs == 0 else max(atol, floor())
    relation = note_relation(record, gap, allowed)
    numbers = f"{what}: max|d| = {gap.max_abs:.3g}"
    if relation == "beyond floor":
        differ(record, f"{numbers} > {allowed:.3g} at {list(gap.where)}", lambda: _in_words(localize()))
    wrong = {} if gap.max_abs == 0 else {who: each for who, each in localize().items() if not each.as_requested}
    if wrong:
        differ(record, f"{numbers} is within the floor ({allowed:.3g})", lambda: _in_words(wrong))
    record.agree(f"{what}: bit-equal" if gap.bit_equal else f"{numbers} <= {allowed:.3g}, {relation}")


def agree_same(record: Draft, what: str) -> None:
    """Two values were found to be the same where they are, as by `assert_same`."""
    record.note(tolerance=0.0, bit_equal=record.measured.get("bit_equal", True))
    if record.measured.get("max_abs", 0.0) == 0:
        record.note(max_abs=0.0, worst_prompt=0)
    record.agree(f"{what}: bit-equal")


def agree_bit_equal(record: Draft, what: str) -> None:
    """Two values were found bit-equal where they are."""
    note_relation(record, Difference(0.0, (0,), True), 0.0)
    record.agree(f"{what}: bit-equal")


def note_relation(record: Draft, gap: "Difference", allowed: float) -> str:
    """Record a difference; the name of the relation, which is recorded too: the worst one, if there were others before."""
    relation = RELATIONS[0 if gap.bit_equal else 1 if gap.within(allowed) else 2]
    worst = max(relation, record.measured.get("relation", relation), key=RELATIONS.index)
    before = record.measured.get("bit_equal", True)
    record.note(relation=worst, tolerance=allowed, bit_equal=gap.bit_equal and before)
    if gap.max_abs >= record.measured.get("max_abs", 0.0):
        record.note(max_abs=gap.max_abs, worst_prompt=gap.where[0])
    return relation


def _in_words(found: "dict[str, Localization]") -> str:
    """What is wrong with each tensor, or of each, if nothing is."""
    if all(each.as_requested and each.bit_equal for each in found.values()):
        return (
            "what was returned is bit-equal to the suite's own capture of it: the model's values are not the same twice"
        )
    wrong = {who: each for who, each in found.items() if not each.as_requested}
    wrong = wrong or {who: each for who, each in found.items() if not each.bit_equal}
    return "; ".join(f"{who} {each.sentence}".strip() for who, each in wrong.items())


def assert_equal(
    record: Draft, what: str, observed: object, expected: object, *, explain: Explain | None = None
) -> None:
    """Two plain values are equal."""
    __tracebackhide__ = True
    if observed != expected:
        words = [str(observed), str(expected)]
        if words[0] == words[1]:
            words = [f"{value} ({type(value).__name__})" for value in (observed, expected)]
        differ(record, f"{what}: observed {words[0]}, expected {words[1]}", explain)
    record.agree(f"{what}: {expected}")


def assert_holds(record: Draft, holds: bool, sentence: str, otherwise: str = "") -> None:
    """A statement about measured numbers holds; `otherwise` replaces the sentence if it does not."""
    __tracebackhide__ = True
    if not holds:
        differ(record, otherwise or sentence)
    record.agree(sentence)


def assert_bit_equal(record: Draft, what: str, values: "Sequence[Tensor]") -> None:
    """Every value is the first one, bit for bit; the record keeps its sentence if they are."""
    __tracebackhide__ = True
    gaps = [compare(values[0], value) for value in values[1:]]
    record.note(bit_equal=all(gap.bit_equal for gap in gaps))
    if not all(gap.bit_equal for gap in gaps):
        most = max(gap.max_abs for gap in gaps)
        differ(record, f"{what}: not bit-equal under exact arithmetic, max|d| = {most:.3g}")


def state_half(record: Draft, halves: Halves) -> None:
    """Let the record of a tool that only reads, or only steers, say which half was measured."""
    if len(halves) == 1:
        measured = HALF[halves[0]]
        record.agree(f"{record.sentence} ({measured})", half=measured)


def not_offered(record: Draft, reason: str) -> NoReturn:
    """The tool does not offer what the check needs: nothing is asked of it."""
    __tracebackhide__ = True
    record.not_offered(reason)
    pytest.skip(f"not offered: {reason}")


def differ(record: Draft, message: str, explain: Explain | None = None) -> NoReturn:
    """Record the difference before looking for its cause, so that a search that crashes does not hide it."""
    __tracebackhide__ = True
    record.differ(message)
    if explain:
        cause = explain()
        record.differ(f"{message}; {cause}", localized=cause)
    raise AssertionError(f"{record.cell.id}: {record.sentence}")
