"""The evidence clauses: each catches its own fault, and nothing else."""

from typing import Any

import pytest

from steering_core.records.audit import REQUIRED, audit
from steering_core.records.record import Cell, Outcome, Plan, Record, Run

CELL = Cell(clause="P1", model="m", tool="hooks")
SAID: dict[str, Any] = {
    **{name: "x" for name in REQUIRED}, "model": "m", "preset": "fixture", "dirty": False, "tools": {"hooks": {}},
}  # fmt: skip


def judged(provenance: dict[str, Any], recorded: bool = True) -> dict[str, Outcome]:
    """clause -> outcome, for a run of one cell."""
    plan = Plan(models=("m",), tools=("hooks",), repeats=5, preset="fixture", required=(CELL,), planned=(CELL,))
    record = Record(cell=CELL, outcome=Outcome.AGREES, sentence="fine", provenance=provenance)
    found = audit(Run(plan=plan, records=(record,) if recorded else ()))
    return {each.cell.clause: each.outcome for each in found}


def test_a_whole_record_passes() -> None:
    assert judged(SAID) == {"V1": Outcome.AGREES, "V2": Outcome.AGREES, "V3": Outcome.AGREES}


def test_a_planned_cell_without_a_record() -> None:
    assert judged(SAID, recorded=False) == {"V1": Outcome.DIFFERS, "V2": Outcome.AGREES, "V3": Outcome.AGREES}


@pytest.mark.parametrize("name", REQUIRED)
def test_every_part_of_the_provenance_counts(name: str) -> None:
    lacking = {key: value for key, value in SAID.items() if key != name}
    assert judged(lacking)["V2"] is Outcome.DIFFERS


@pytest.mark.parametrize("wrong", [{"model": "other"}, {"tools": {}}, {"commit": ""}])
def test_wrong_model_no_tool_version_empty_commit(wrong: dict[str, Any]) -> None:
    assert judged({**SAID, **wrong})["V2"] is Outcome.DIFFERS


def test_another_preset() -> None:
    assert judged({**SAID, "preset": "closeout"}) == {"V1": Outcome.AGREES, "V2": Outcome.AGREES, "V3": Outcome.DIFFERS}
