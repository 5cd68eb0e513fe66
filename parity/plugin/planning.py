"""From collected items to a plan: what is dropped, in which order the rest runs, and what a resumed run leaves out."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from parity.plugin.cells import cell_of
from parity.plugin.gate import remember
from parity.plugin.request.options import typed_options
from parity.plugin.request.run_matrix import RunMatrix, tool_label
from parity.plugin.session_state import MATRIX, REQUIRED
from steering_core.directions import DEFAULT_METHOD
from steering_core.places import snapshot_path
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.journal import PLAN, REQUEST, finished, read_journal
from steering_core.records.record import Cell, Plan

STAGES = list(Stage)
NEEDS_TRAINED_WEIGHTS = {"D5", "B1", "B2", "B3", "B4"}


def arrange(config: pytest.Config, items: list[pytest.Item], everything: Sequence[pytest.Item]) -> None:
    """Drop what was not asked for, order by model and stage, and leave the plan in the run directory."""
    matrix = config.stash[MATRIX]
    wanted = {item: _wanted(item, matrix, config) for item in everything}
    config.hook.pytest_deselected(items=[item for item in items if not wanted[item]])
    items[:] = sorted((item for item in items if wanted[item]), key=lambda item: _order(item, matrix))
    planned = _cells(items)
    required = _cells([item for item in everything if wanted[item]])
    config.stash[REQUIRED] = required
    leave_plan(config, make_plan(config, matrix, required, planned))
    drop_finished(config, items)
    matrix.flags["directions"] = any(CLAUSES[cell.clause].stage is not Stage.PREFLIGHT for cell in _cells(items))


def leave_plan(config: pytest.Config, plan: Plan) -> None:
    """Write the plan and the request to the run directory, or compare with the plan that a resumed run has there."""
    folder = Path(config.getoption("run_dir"))
    if config.getoption("resume"):
        then = Plan.model_validate_json((folder / PLAN).read_text(encoding="utf-8"))
        # Where models and prompts lie may change; that they are the same ones was compared with the request.
        if then != plan.model_copy(update={"options": then.options}):
            raise pytest.UsageError(f"--resume {folder}: other checks are selected than the run planned (resume-plan)")
    elif plan.planned:
        _write(folder / REQUEST, json.dumps(config.getoption("request", {}), indent=1))
        _write(folder / PLAN, plan.model_dump_json())


def drop_finished(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a resumed run, take out the checks whose records are kept, after what they say about the gate."""
    if not config.getoption("resume"):
        return
    kept = finished(read_journal(Path(config.getoption("run_dir")), config.getoption("journal_lines")))
    for record in kept.values():
        remember(config, record)
    config.hook.pytest_deselected(items=[item for item in items if cell_of(item) in kept])
    items[:] = [item for item in items if cell_of(item) not in kept]


def make_plan(config: pytest.Config, matrix: RunMatrix, required: tuple[Cell, ...], planned: tuple[Cell, ...]) -> Plan:
    """What the run sets out to do, for the verdict."""
    return Plan(
        models=matrix.selected, tools=tuple(map(tool_label, matrix.tools)),
        repeats=matrix.repeats, preset=matrix.preset,
        random_weights=bool(config.getoption("random_weights")), gated=not config.getoption("no_gate"),
        required=required, planned=planned, protocol_repeats=matrix.protocol_repeats,
        options=typed_options(config.getoption),
    )  # fmt: skip


def _wanted(item: pytest.Item, matrix: RunMatrix, config: pytest.Config) -> bool:
    timed = "benchmark" in getattr(item, "fixturenames", ())
    if timed or config.getoption("benchmark_only"):
        return timed and bool(config.getoption("benchmark_only"))
    cell = cell_of(item)
    if cell is None:
        return item.get_closest_marker("clause") is None
    if cell.model not in matrix.selected or (
        config.getoption("random_weights") and cell.clause in NEEDS_TRAINED_WEIGHTS
    ):
        return False
    spec = matrix.registry[cell.model]
    if not spec.tuned and CLAUSES[cell.clause].stage is Stage.BEHAVIOR:
        return False
    return cell.clause != "D5" or _has_canon(config, matrix, spec.key)


def _has_canon(config: pytest.Config, matrix: RunMatrix, key: str) -> bool:
    """Canonical directions are of the registry's block and the default method. A tiny model must have one; models of the world are compared
    once one is locked for this machine class."""
    spec, quantize = matrix.registry[key], config.getoption("quantize")
    if config.getoption("update_snapshots"):
        return True
    if matrix.settings[key].layer != spec.layer or matrix.settings[key].method != DEFAULT_METHOD:
        return False
    parts = ("cuda" if config.getoption("gpu") else "cpu", config.getoption("dtype") or spec.dtype, quantize)
    return (spec.tiny and not quantize) or snapshot_path(key, "-".join(filter(None, parts))).exists()


def _cells(items: Sequence[pytest.Item]) -> tuple[Cell, ...]:
    return tuple(cell for item in items if (cell := cell_of(item)))


def _order(item: pytest.Item, matrix: RunMatrix) -> tuple[int, int]:
    cell = cell_of(item)
    if cell is None:
        return (len(matrix.selected), 0)
    return (matrix.selected.index(cell.model), STAGES.index(CLAUSES[cell.clause].stage))


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise pytest.UsageError(f"cannot write the plan: {error} (run-dir); choose another --run-dir") from None
