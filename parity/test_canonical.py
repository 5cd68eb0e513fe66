"""Directions D5: the reference direction and every tool's equal the locked canonical one."""

import pytest

from parity.asserts import assert_holds
from parity.canonical import (
    NORM_TOLERANCE,
    TOLERANCES,
    CanonicalDirection,
    distance,
    machine_class,
    may_write,
    read_canonical,
    to_bytes,
)
from parity.locations import location


@pytest.mark.clause("D5")
def test_reference_direction(cycle, cell, canonical, pytestconfig):
    """D5: the direction that the witness sees equals the snapshot; with --snapshot-update it alone writes."""
    now = cycle.true_direction()
    updating = pytestconfig.getoption("update_snapshots")
    machine = machine_class(cycle)
    if updating:
        may_write(pytestconfig, cycle)
    else:
        judge(cycle, cell, now)
    extension = type("CanonicalDirection", (CanonicalDirection,), {"machine": machine})
    assert to_bytes(cycle, now) == canonical.with_defaults(extension_class=extension)
    judge(cycle, cell, now)


@pytest.mark.clause("D5")
def test_tool_direction(cycle, tool, cell):
    """D5: the direction of each tool equals the snapshot; this check only reads."""
    judge(cycle, cell, cycle.direction(tool, 0))


def judge(cycle, cell, direction) -> None:
    """Within tolerance of the locked direction."""
    gap, ratio = distance(direction.numpy(), read_canonical(cycle))
    machine = machine_class(cycle)
    tolerance = TOLERANCES[machine.split("-")[1]]
    name = location(cycle.model.spec.key, machine).name
    cell.note(one_minus_cosine=min(gap, 1.0), norm_ratio=min(ratio, 1e9), tolerance=tolerance, snapshot=name)
    words = (
        f"against {machine}/{name}: 1 - cos = {gap:.3g} (allowed {tolerance:g}), "
        f"norm ratio {ratio:.6f} (allowed +-{NORM_TOLERANCE:g})"
    )
    assert_holds(cell, gap <= tolerance and abs(ratio - 1) <= NORM_TOLERANCE, words, words)
