"""From the matrix to pytest parameters, and from collected items to a plan."""

import os
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from parity.locations import location
from parity.matrix import Matrix, marks_of
from parity.stash import MATRIX, REQUIRED
from steering_core.clauses import CLAUSES, Stage
from steering_core.record import Cell, Plan

ARMS = ("reference", "native")
AXES = {"model_key", "tool_name", "pair", "arm", "repeat"}
STAGES = list(Stage)
NEEDS_TRAINED_WEIGHTS = {"D5", "B1", "B2", "B3"}


def register_markers(config: pytest.Config, matrix: Matrix) -> None:
    """One marker per model key, family and `tiny`, so that -m is checked strictly."""
    for name in sorted(set().union(*(marks_of(spec) for spec in matrix.registry.values()))):
        config.addinivalue_line("markers", f"{name}: checks of model or family {name}")
    config.addinivalue_line("markers", "clause(id): the protocol clause that a check belongs to")


def parameters(metafunc: pytest.Metafunc, matrix: Matrix) -> dict[str, list[Any]]:
    """Values for each axis that a check asks for. Snapshot checks are collected for every model, the others only for
    the selected ones: a snapshot whose check was never collected looks unused, and would be deleted on update."""
    keys = list(matrix.registry) if "canonical" in metafunc.fixturenames else list(matrix.selected)
    axes: dict[str, list[Any]] = {
        "model_key": [_model(matrix, key) for key in keys],
        "tool_name": [pytest.param(name, id=tool_label(name)) for name in matrix.tools],
        "pair": [pytest.param(pair, id="~".join(map(tool_label, pair))) for pair in combinations(matrix.tools, 2)],
        "arm": list(ARMS),
        "repeat": [pytest.param(number, id=f"r{number}") for number in range(matrix.repeats)],
    }
    return {name: values for name, values in axes.items() if name in metafunc.fixturenames}


def tool_label(spec: str) -> str:
    """`path/to/file.py:Class` -> `Class`; registered names stay as they are."""
    return spec.rpartition(":")[2]


def _model(matrix: Matrix, key: str) -> Any:
    marks = [getattr(pytest.mark, name) for name in sorted(marks_of(matrix.registry[key]))]
    return pytest.param(key, marks=[*marks, pytest.mark.xdist_group(key)], id=key)


def cell_of(item: pytest.Item) -> Cell | None:
    """The cell of a check; None for tests without a clause."""
    marker = item.get_closest_marker("clause")
    if marker is None or not isinstance(item, pytest.Function):
        return None
    params = dict(item.callspec.params) if hasattr(item, "callspec") else {}
    pair = params.get("pair", (params.get("tool_name"), None))
    variant = "-".join(str(value) for name, value in sorted(params.items()) if name not in AXES)
    labels = [None if name is None else tool_label(name) for name in pair]
    return Cell(
        clause=marker.args[0], model=params["model_key"], tool=labels[0], other=labels[1], arm=params.get("arm"),
        repeat=params.get("repeat"), variant=variant or None,
    )  # fmt: skip


def arrange(config: pytest.Config, items: list[pytest.Item], everything: Sequence[pytest.Item]) -> None:
    """Drop what was not asked for, order by model and stage, and leave the plan in the run directory."""
    matrix = config.stash[MATRIX]
    dropped = [item for item in items if not _wanted(item, matrix, config)]
    config.hook.pytest_deselected(items=dropped)
    kept = [item for item in items if item not in set(dropped)]
    items[:] = sorted(kept, key=lambda item: _order(item, matrix))
    planned = _cells(items)
    required = _cells([item for item in everything if _wanted(item, matrix, config)])
    config.stash[REQUIRED] = required
    matrix.flags["directions"] = any(CLAUSES[cell.clause].stage is not Stage.PREFLIGHT for cell in planned)
    if planned and (folder := config.getoption("run_dir")):
        _write(Path(folder) / "plan.json", make_plan(config, matrix, required, planned))


def make_plan(config: pytest.Config, matrix: Matrix, required: tuple[Cell, ...], planned: tuple[Cell, ...]) -> Plan:
    """What the run sets out to do, for the verdict."""
    return Plan(
        models=matrix.selected, tools=tuple(map(tool_label, matrix.tools)), repeats=matrix.repeats, preset=matrix.preset,
        random_weights=bool(config.getoption("random_weights")), gated=not config.getoption("no_gate"),
        required=required, planned=planned, protocol_repeats=matrix.protocol_repeats,
    )  # fmt: skip


def _wanted(item: pytest.Item, matrix: Matrix, config: pytest.Config) -> bool:
    fixtures = getattr(item, "fixturenames", ())
    if "benchmark" in fixtures:
        return bool(config.getoption("benchmark_only"))
    cell = cell_of(item)
    if cell is None:
        return True
    if cell.model not in matrix.selected or (
        config.getoption("random_weights") and cell.clause in NEEDS_TRAINED_WEIGHTS
    ):
        return False
    return cell.clause != "D5" or matrix.registry[cell.model].tiny or _has_canon(config, matrix, cell.model)


def _has_canon(config: pytest.Config, matrix: Matrix, key: str) -> bool:
    """Models of the world are compared with a canonical direction once one is locked for this machine class."""
    machine = "cuda" if config.getoption("gpu") else "cpu"
    dtype = config.getoption("dtype") or matrix.registry[key].dtype
    return bool(config.getoption("update_snapshots")) or location(key, f"{machine}-{dtype}").exists()


def _cells(items: Sequence[pytest.Item]) -> tuple[Cell, ...]:
    return tuple(cell for item in items if (cell := cell_of(item)))


def _order(item: pytest.Item, matrix: Matrix) -> tuple[int, int]:
    cell = cell_of(item)
    if cell is None:
        return (len(matrix.selected), 0)
    return (matrix.selected.index(cell.model), STAGES.index(CLAUSES[cell.clause].stage))


def _write(path: Path, plan: Plan) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.part")
    temporary.write_text(plan.model_dump_json(), encoding="utf-8")
    os.replace(temporary, path)
