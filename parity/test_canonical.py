"""Directions D5: the reference direction and every tool's equal the locked canonical one."""

import pytest

from parity.plugin.assertions import assert_holds
from parity.plugin.canonical import (
    CanonicalDirection,
    distance,
    machine_class,
    may_write,
    read_canonical,
    to_bytes,
)
from steering_core.places import snapshot_path
from steering_core.records.thresholds import CANONICAL, CANONICAL_NORM, is_canonical


@pytest.mark.clause("D5")
def test_reference_direction(experiment, record, canonical, pytestconfig):
    """D5: the direction that the witness sees equals the snapshot; with --snapshot-update it alone writes."""
    now = experiment.true_direction()
    updating = pytestconfig.getoption("update_snapshots")
    machine = machine_class(experiment)
    if updating:
        may_write(pytestconfig, experiment)
    else:
        judge(experiment, record, now)
    extension = type("CanonicalDirection", (CanonicalDirection,), {"machine": machine})
    assert to_bytes(experiment, now) == canonical.with_defaults(extension_class=extension)
    judge(experiment, record, now)


@pytest.mark.clause("D5")
def test_tool_direction(experiment, tool, record):
    """D5: the direction of each tool equals the snapshot; this check only reads."""
    judge(experiment, record, experiment.direction(tool, 0))


def judge(experiment, record, direction) -> None:
    """Within tolerance of the locked direction."""
    gap, ratio = distance(direction.numpy(), read_canonical(experiment))
    machine = machine_class(experiment)
    dtype = machine.split("-")[1]
    tolerance = CANONICAL[dtype]
    name = snapshot_path(experiment.model.spec.key, machine).name
    record.note(one_minus_cosine=min(gap, 1.0), norm_ratio=min(ratio, 1e9), tolerance=tolerance, snapshot=name)
    words = (
        f"against {machine}/{name}: 1 - cos = {gap:.3g} (allowed {tolerance:g}), "
        f"norm ratio {ratio:.6f} (allowed +-{CANONICAL_NORM:g})"
    )
    assert_holds(record, is_canonical(gap, ratio, dtype), words, words)
