"""Synthetic runs for the tests of the decision rules: a complete one in which everything agrees, and changes to it.

Cells are named by shell patterns of their ids, such as `D2 tiny_qwen2 *`; a pattern without a match is an error.
"""

from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import cache
from itertools import combinations
from typing import Any

from steering_core.records.record import Cell, Outcome, Plan, Record, Run, Value

MODELS = ("tiny_qwen2", "tiny_gemma2")
TOOLS = ("hooks", "nnsight", "pyvene")
N = 30
PREFLIGHT_ALONE = ("P1", "P2", "P3", "P4", "P5")


def list_cells(models: tuple[str, ...], tools: tuple[str, ...], repeats: int) -> tuple[Cell, ...]:
    """The full matrix of one protocol run."""
    return tuple(cell for model in models for cell in _list_cells(model, tools, repeats))


def _list_cells(model: str, tools: tuple[str, ...], repeats: int) -> list[Cell]:
    pairs, rounds = list(combinations(tools, 2)), range(repeats)
    return [
        *(Cell(clause=clause, model=model, tool=tool) for clause in PREFLIGHT_ALONE for tool in tools),
        *(Cell(clause="P6", model=model, tool=a, other=b) for a, b in pairs),
        *(Cell(clause="D1", model=model, tool=tool) for tool in tools),
        *(Cell(clause="D2", model=model, tool=a, other=b, repeat=r) for a, b in pairs for r in rounds),
        Cell(clause="D3", model=model),
        *(Cell(clause=clause, model=model, tool=tool) for clause in ("S1", "S2", "S4") for tool in tools),
        *(
            Cell(clause="B1", model=model, tool=tool, arm=arm, repeat=r)
            for tool in tools
            for arm in ("reference", "native")
            for r in rounds
        ),
        Cell(clause="B3", model=model),
    ]


def rate(coherent: int, total: int = N, tokens: str = "", unscored: int = 0) -> dict[str, Value]:
    """The numbers of a B1 cell in which the first `coherent` prompts are refused and the rest is answered normally."""
    normal = total - coherent - unscored
    counts = {"coherent": coherent, "garbled": 0, "normal": normal, "unscored": unscored}
    texts = {"classes": "C" * coherent + "N" * normal + "U" * unscored, "tokens_sha256": tokens or f"tokens-{coherent}"}
    return {**counts, **texts, "total": total, "unique": total, "low": 0.25, "high": 0.75}


def _measure(clause: str) -> dict[str, Value]:
    if clause == "D1":
        return {"one_minus_cosine": 0.0, "repeats": 5}
    if clause == "D2":
        return {"one_minus_cosine": 0.0}
    return rate(28) if clause == "B1" else {}


@cache
def full_run(models: tuple[str, ...] = MODELS, tools: tuple[str, ...] = TOOLS, repeats: int = 5) -> Run:
    """Everything was planned and measured, and everything agrees."""
    cells = list_cells(models, tools, repeats)
    plan = Plan(models=models, tools=tools, repeats=repeats, preset="fixture", required=cells, planned=cells)
    return Run(plan=plan, records=tuple(_agree(cell) for cell in cells))


def _agree(cell: Cell) -> Record:
    return Record(cell=cell, outcome=Outcome.AGREES, sentence="as it should be", measured=_measure(cell.clause))


def preflight_run(models: tuple[str, ...] = ("tiny_qwen2",)) -> Run:
    """Only the preflight was selected of the full matrix, and it holds."""
    run = without(full_run(models), "[DSB]*")
    return plan(run, planned=tuple(record.cell for record in run.records))


def plan(run: Run, **changes: Any) -> Run:
    """The run with another plan."""
    return run.model_copy(update={"plan": run.plan.model_copy(update=changes)})


def without(run: Run, *patterns: str) -> Run:
    """The run without the records of these cells."""
    for pattern in patterns:
        gone = _named(run, pattern)
        run = run.model_copy(update={"records": tuple(r for r in run.records if r.cell not in gone)})
    return run


def measured(run: Run, pattern: str, **numbers: Value) -> Run:
    """The run with other numbers in these cells."""
    return _change(run, pattern, lambda record: {"measured": {**record.measured, **numbers}})


def ended(run: Run, pattern: str, outcome: Outcome, sentence: str = "did not hold", **fields: Any) -> Run:
    """The run with another outcome of these cells."""
    return _change(run, pattern, lambda _: {"outcome": outcome, "sentence": sentence, **fields})


def blocked(run: Run, pattern: str, by: str) -> Run:
    """The run with these cells skipped because of a failed preflight cell."""
    return ended(run, pattern, Outcome.ABSENT, f"skipped because of {by}", blocked_by=by, measured={})


def added(run: Run, record: Record) -> Run:
    """The run with one record more, planned or not."""
    return run.model_copy(update={"records": (*run.records, record)})


def diverged(run: Run, model: str) -> Run:
    """The run in which pyvene's direction and behavior are far off on one model."""
    run = measured(run, f"D2 {model} *~pyvene r*", one_minus_cosine=0.4)
    return measured(run, f"B1 {model} pyvene * r*", **rate(3))


def _change(run: Run, pattern: str, update: Callable[[Record], dict[str, Any]]) -> Run:
    named = _named(run, pattern)
    records = (r.model_copy(update=update(r)) if r.cell in named else r for r in run.records)
    return run.model_copy(update={"records": tuple(records)})


def _named(run: Run, pattern: str) -> frozenset[Cell]:
    cells = frozenset(record.cell for record in run.records if fnmatchcase(record.cell.id, pattern))
    if not cells:
        raise LookupError(f"no cell is named {pattern!r}")
    return cells
