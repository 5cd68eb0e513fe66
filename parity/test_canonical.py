"""Directions D5: the reference direction and every tool's equal the locked canonical one."""

from typing import TYPE_CHECKING, Any

import pytest

from parity.plugin.arguments import Draft, Experiment, Tool
from parity.plugin.assertions import assert_holds
from parity.plugin.canonical import (
    distance,
    extension_for,
    machine_class,
    may_write,
    read_canonical,
    to_bytes,
)
from steering_core.places import snapshot_path
from steering_core.records.thresholds import CANONICAL, CANONICAL_NORM, is_canonical

if TYPE_CHECKING:
    from torch import Tensor


@pytest.mark.clause("D5")
def test_reference_direction(
    experiment: Experiment, record: Draft, canonical: Any, pytestconfig: pytest.Config
) -> None:
    """D5: the direction that independent hooks read equals the snapshot; with --snapshot-update it alone writes."""
    now = experiment.true_direction()
    if pytestconfig.getoption("update_snapshots"):
        may_write(pytestconfig, experiment)
    else:
        assert_canonical(experiment, record, now)
    extension = extension_for(machine_class(experiment))
    assert to_bytes(experiment, now) == canonical.with_defaults(extension_class=extension)
    assert_canonical(experiment, record, now)


@pytest.mark.clause("D5")
@pytest.mark.needs("direction")
def test_tool_direction(experiment: Experiment, tool: Tool, record: Draft) -> None:
    """D5: the direction of each tool equals the snapshot; this check only reads."""
    assert_canonical(experiment, record, experiment.direction(tool, 0))


def assert_canonical(experiment: Experiment, record: Draft, direction: "Tensor") -> None:
    """Within tolerance of the locked direction, in angle and norm; direction: [hidden]."""
    gap, ratio = distance(direction.numpy(), read_canonical(experiment))
    machine = machine_class(experiment)
    dtype = machine.split("-")[1]
    tolerance = CANONICAL[dtype]
    name = snapshot_path(experiment.model.spec.key, machine).name
    record.note(one_minus_cosine=min(gap, 1.0), norm_ratio=min(ratio, 1e9), tolerance=tolerance, snapshot=name)
    angle = f"1 - cos = {gap:.3g} (allowed {tolerance:g})"
    norm = f"norm ratio {ratio:.6f} (allowed +-{CANONICAL_NORM:g})"
    within = is_canonical(gap, ratio, dtype)
    assert_holds(record, within, f"against {machine}/{name}: {angle}, {norm}")
