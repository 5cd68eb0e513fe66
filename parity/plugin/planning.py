"""From collected checks to a plan: which are dropped, the order of the rest, and what a resumed run leaves out."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from parity.plugin.cells import cell_of
from parity.plugin.following import is_round
from parity.plugin.gate import is_preflight, remember
from parity.plugin.request.options import typed_options
from parity.plugin.request.run_matrix import RunMatrix
from parity.plugin.session_state import MATRIX, NEEDS_DIRECTIONS, REQUIRED, TO_RUN
from steering_core.directions import DEFAULT_METHOD
from steering_core.errors import SuiteError, UsageProblem
from steering_core.places import snapshot_path
from steering_core.programs.program import KINDS
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.followed import with_followed, without_followed
from steering_core.records.journal import PLAN, REQUEST, finished, read_journal
from steering_core.records.plan_file import read_plan
from steering_core.records.record import Cell, Plan
from steering_core.tools.spec import ToolSpec

STAGES = list(Stage)
CANONICAL = "D5"
"""The clause whose snapshots are locked for trained weights at the registry's block."""
COUNTING = {"F4", "F5", "F7", "F8"}
"""The findings that count answers with a trait: of no base model, and of no random weights."""


def arrange(config: pytest.Config, items: list[pytest.Item], everything: Sequence[pytest.Item]) -> None:
    """Drop what was not requested, order by model and stage, and write the plan to the run directory."""
    matrix = config.stash[MATRIX]
    requested = {item: _is_requested(item, matrix, config) for item in everything}
    if items and not any(requested[item] for item in items):
        refuse_base_models(config, [cell for item in items if (cell := cell_of(item))])
    config.hook.pytest_deselected(items=[item for item in items if not requested[item]])
    items[:] = sorted((item for item in items if requested[item]), key=lambda item: _order(item, matrix))
    planned = _cells(items)
    required = _cells([item for item in everything if requested[item]])
    config.stash[REQUIRED] = required
    write_plan(config, make_plan(config, matrix, required, planned))
    drop_finished(config, items)
    to_run = _cells(items)
    config.stash[TO_RUN] = to_run
    config.stash[NEEDS_DIRECTIONS] = not all(map(is_preflight, to_run))


def refuse_base_models(config: pytest.Config, cells: Sequence[Cell]) -> None:
    """Refuse a selection of which nothing is left, because its checks count answers and each is of a base model."""
    matrix = config.stash[MATRIX]
    mine = [cell for cell in cells if cell.model in matrix.selected]
    if mine and all(_counts_answers(cell) and not matrix.registry[cell.model].tuned for cell in mine):
        names = ", ".join(dict.fromkeys(cell.model for cell in mine))
        sentence = f"the selected checks count answers that refuse, and {names} refuses nothing: a base model"
        refuse(config, UsageProblem("base-model", sentence, "select a tuned model too"))


def refuse(config: pytest.Config, problem: SuiteError) -> None:
    """End a run of which no check is left with one line. A worker of xdist would be taken for crashed, and just runs nothing."""
    if not hasattr(config, "workerinput"):
        raise pytest.UsageError(str(problem))


def write_plan(config: pytest.Config, plan: Plan) -> None:
    """Write the plan and the request to the run directory, or compare with the plan of the run that is resumed."""
    folder = Path(config.getoption("run_dir"))
    if config.getoption("resume"):
        then = read_plan(folder)
        if is_round(config):
            _write(folder / PLAN, with_followed(then, plan.planned).model_dump_json())
            return
        then = without_followed(then)
        # Paths of models and prompts may change; their content was compared with the request.
        if then != plan.model_copy(update={"options": then.options}):
            raise pytest.UsageError(
                f"--resume {folder}: the selected checks differ from those that the run planned (resume-plan)"
            )
    elif plan.planned and (folder.is_dir() or not config.getoption("collectonly")):
        _write(folder / REQUEST, json.dumps(config.getoption("request", {}), indent=1))
        _write(folder / PLAN, plan.model_dump_json())


def drop_finished(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a resumed run, take out the checks that are finished; their records still open or close the gate."""
    if not config.getoption("resume"):
        return
    records = finished(read_journal(Path(config.getoption("run_dir")), config.getoption("journal_lines")))
    for record in records.values():
        remember(config, record)
    config.hook.pytest_deselected(items=[item for item in items if cell_of(item) in records])
    items[:] = [item for item in items if cell_of(item) not in records]


def make_plan(config: pytest.Config, matrix: RunMatrix, required: tuple[Cell, ...], planned: tuple[Cell, ...]) -> Plan:
    """What the run sets out to do, for the verdict."""
    return Plan(
        models=matrix.selected,
        tools=tuple(ToolSpec.parse(name).label for name in matrix.tools),
        repeats=matrix.repeats,
        protocol_repeats=matrix.protocol_repeats,
        preset=matrix.preset,
        random_weights=bool(config.getoption("random_weights")),
        gated=not config.getoption("no_gate"),
        required=required,
        planned=planned,
        options=typed_options(config.getoption),
    )


def _is_requested(item: pytest.Item, matrix: RunMatrix, config: pytest.Config) -> bool:
    timed = "benchmark" in getattr(item, "fixturenames", ())
    if timed or config.getoption("benchmark_only"):
        return timed and bool(config.getoption("benchmark_only"))
    cell = cell_of(item)
    if cell is None:
        return item.get_closest_marker("clause") is None
    if cell.model not in matrix.selected:
        return False
    if (only := matrix.programs["only"]) and cell.clause != KINDS[only.kind]:
        return False
    random_weights, spec = config.getoption("random_weights"), matrix.registry[cell.model]
    stage = CLAUSES[cell.clause].stage
    if _only_locks(config) and stage is not Stage.PREFLIGHT and cell.clause != CANONICAL:
        return False
    refusals = _counts_answers(cell)
    if (refusals and not spec.tuned) or (refusals and stage is not Stage.SWEEP and random_weights):
        return False
    return cell.clause != CANONICAL or _has_canonical(config, matrix, spec.key)


def _counts_answers(cell: Cell) -> bool:
    return CLAUSES[cell.clause].stage in (Stage.BEHAVIOR, Stage.SWEEP) or cell.clause in COUNTING


def _only_locks(config: pytest.Config) -> bool:
    """Whether the run is there for new canonical directions alone: those, and the preflight that must pass first."""
    return bool(config.getoption("update_snapshots")) and not config.getoption("keyword")


def _has_canonical(config: pytest.Config, matrix: RunMatrix, key: str) -> bool:
    """Whether there is, or must be, a canonical direction to compare with. A tiny model must have one; a real model is
    compared once one is locked for its machine class. Canonical directions are of the registry's block and the default method."""
    spec, quantize = matrix.registry[key], config.getoption("quantize")
    if config.getoption("random_weights"):
        return False
    if config.getoption("update_snapshots"):
        return True
    if matrix.settings[key].layer != spec.layer or matrix.settings[key].method != DEFAULT_METHOD:
        return False
    parts = ("cuda" if config.getoption("gpu") else "cpu", matrix.settings[key].dtype, quantize)
    return (spec.tiny and not quantize) or snapshot_path(key, "-".join(filter(None, parts))).exists()


def _cells(items: Sequence[pytest.Item]) -> tuple[Cell, ...]:
    return tuple(cell for item in items if (cell := cell_of(item)))


def _order(item: pytest.Item, matrix: RunMatrix) -> tuple[int, int, bool]:
    """By model and stage; random programs last: what a fixed question finds is said more plainly by it."""
    cell = cell_of(item)
    if cell is None:
        return (len(matrix.selected), 0, False)
    return matrix.selected.index(cell.model), STAGES.index(CLAUSES[cell.clause].stage), cell.clause in KINDS.values()


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise pytest.UsageError(f"cannot write the plan: {error} (run-dir); choose another --run-dir") from None
