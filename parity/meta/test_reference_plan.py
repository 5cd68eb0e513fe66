"""What the checks of a session will want of the reference is what they ask for, and under exact arithmetic one batch."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from torch import Tensor

from parity.meta.shares import in_part
from parity.plugin.cells import make_cell
from parity.plugin.context import Measurements
from parity.plugin.harness import REPEATS, Check, LoadedCheckpoint, list_checks, run_checks
from parity.plugin.reference_plan import plan_answers
from parity.sweeps.conditions import METHODS
from parity.sweeps.planned import conditions_of
from parity.sweeps.test_layers import test_layers as measure_layers
from parity.sweeps.test_sizes import test_sizes as measure_sizes
from parity.sweeps.test_strengths import test_strengths as measure_strengths
from steering_core.exact import exact_arithmetic
from steering_core.hosts.local_hosts import LocalHosts
from steering_core.measure import reference
from steering_core.measure.sweep import Sweep
from steering_core.measure.sweep_plan import read_sweeps
from steering_core.records.record import Record

CLAUSES = ("D1", "S4", "B1", "B2", "B3", "B4")
TOOL, BESIDE = "hooks", "nnsight"


def tools_of(check: Check) -> dict[str, Any]:
    return {"pair": (BESIDE, TOOL)} if "tools" in check.arguments else {"tool_name": TOOL} if check.judges_tools else {}


def measured(folder: Path, *, plan: bool) -> list[Record]:
    """The records of the checks that ask the reference, of two tools, under exact arithmetic."""
    checkpoint = LoadedCheckpoint("tiny_qwen2", folder)
    experiment = checkpoint.experiment(replace(checkpoint.model, exact=True))
    checks = [check for check in list_checks() if is_planned(check)]
    cells = [
        make_cell(check.clause, {**check.params, **tools_of(check), "model_key": "tiny_qwen2"}) for check in checks
    ]
    if plan:
        plan_answers(cells, Measurements(experiment, LocalHosts(experiment.model)), REPEATS)
    with exact_arithmetic(experiment.model):
        return run_checks(experiment, TOOL, is_planned, beside=(BESIDE,))


def is_planned(check: Check) -> bool:
    """Whether its answers are known before: S4 in other modes and inside blocks asks for one call's answers at a time."""
    return check.clause in CLAUSES and not {"mode", "inner"} & set(check.params)


@in_part(0, 3)
def test_one_batch_gives_the_records_of_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, decode = list[int](), reference.decode

    def counting(model: Any, batch: Any, new: int) -> Tensor:
        rows.append(len(batch.ids))
        return decode(model, batch, new)

    monkeypatch.setattr(reference, "decode", counting)
    separate = measured(tmp_path / "separate", plan=False)
    generations = [*rows]
    rows.clear()
    together = measured(tmp_path / "together", plan=True)

    assert len(generations) == 8, (
        "two repeats, of which the first is the control along the true direction, three random ones, three plain"
    )
    assert rows == [sum(generations)]
    kept = [[(each.cell, each.outcome, each.sentence, each.measured) for each in run] for run in (separate, together)]
    assert kept[0] == kept[1]
    assert {each.cell.clause for each in together} == set(CLAUSES)


class Asked(Sweep):
    """A sweep of a model of 40 blocks, where every strength works: it only notes what it is asked."""

    parameters = 1

    def __init__(self) -> None:
        self.layers, self.layer, self.strength = 40, 21, 9.0
        self.asked: list[tuple[str, int, float]] = []

    def condition(self, *which: Any, **_: Any) -> Any:
        self.asked.append(which)
        counts = {"coherent": 9, "garbled": 0, "normal": 1, "unique": 10, "layer": which[1], "sentence": ""}
        return SimpleNamespace(**counts, facts=dict, extra={"ratio": 0.1, "cumulative_ratio": 0.2})

    def direction(self, method: str, layer: int) -> Any:
        return None

    def provenance_at(self, measured: Any) -> dict[str, Any]:
        return {}


def asked_by(measure: Callable[..., None], **arguments: Any) -> list[tuple[str, int, float]]:
    """The conditions that the check of a sweep measures, whatever it demands of them."""
    sweep = Asked()
    record = SimpleNamespace(provenance={}, note=lambda **_: None, agree=lambda _: None)
    names: Any = measure.__globals__
    with patch.dict(names, {name: lambda *_: None for name in names if name.startswith("demand_")}):
        measure(sweep, record, **arguments)
    return sweep.asked


def planned_for(clause: str, **params: Any) -> list[tuple[str, int, float]]:
    return list(conditions_of(clause, params, blocks=40, layer=21, strength=9.0))


@pytest.mark.parametrize(("depth", "method", "multiplier"), [*product((20, 70), METHODS, (10, 25))])
def test_a_condition_of_the_layers_is_planned_as_it_is_measured(depth: int, method: str, multiplier: int) -> None:
    params = {"depth": depth, "method": method, "multiplier": multiplier}
    assert planned_for("W1", **params) == asked_by(measure_layers, **params)


@pytest.mark.parametrize("method", METHODS)
def test_the_validation_of_a_size_is_planned_as_it_is_measured(method: str) -> None:
    *validation, last = asked_by(measure_sizes, method=method)
    assert planned_for("W2", method=method) == validation
    assert last[0] == method


@pytest.mark.parametrize("method", METHODS)
def test_the_grid_of_strengths_is_planned_as_it_is_measured(method: str) -> None:
    grid = asked_by(measure_strengths, method=method)
    assert set(planned_for("W4", method=method)) <= set(grid)
    assert len(planned_for("W4", method=method)) == len(read_sweeps()["strengths"]["grid"])


def test_nothing_is_planned_for_other_sweeps() -> None:
    assert planned_for("W3", precision="int8", origin="full_applied") == []
