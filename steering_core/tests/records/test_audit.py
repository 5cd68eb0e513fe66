"""The evidence clauses: each catches its own fault and no other."""

from typing import Any

import pytest

from steering_core.records.audit import REQUIRED, audit
from steering_core.records.record import Cell, Outcome, Plan, Record, Run

CELL = Cell(clause="P1", model="m", tool="hooks")
PROVENANCE: dict[str, Any] = dict.fromkeys(REQUIRED, "x")
PROVENANCE |= {"model": "m", "preset": "fixture", "dirty": False, "tools": {"hooks": {}}}


def outcomes(provenance: dict[str, Any], recorded: bool = True) -> dict[str, Outcome]:
    """clause -> outcome, for a run of one cell."""
    plan = Plan(models=("m",), tools=("hooks",), repeats=5, preset="fixture", required=(CELL,), planned=(CELL,))
    record = Record(cell=CELL, outcome=Outcome.AGREES, sentence="fine", provenance=provenance)
    evidence = audit(Run(plan=plan, records=(record,) if recorded else ()))
    return {entry.cell.clause: entry.outcome for entry in evidence}


def test_a_complete_record_passes() -> None:
    assert outcomes(PROVENANCE) == {"V1": Outcome.AGREES, "V2": Outcome.AGREES, "V3": Outcome.AGREES}


def test_v1_catches_a_planned_cell_without_a_record() -> None:
    assert outcomes(PROVENANCE, recorded=False) == {"V1": Outcome.DIFFERS, "V2": Outcome.AGREES, "V3": Outcome.AGREES}


@pytest.mark.parametrize("name", REQUIRED)
def test_v2_requires_every_part_of_the_provenance(name: str) -> None:
    incomplete = {key: value for key, value in PROVENANCE.items() if key != name}
    assert outcomes(incomplete)["V2"] is Outcome.DIFFERS


@pytest.mark.parametrize("wrong", [{"model": "other"}, {"tools": {}}, {"commit": ""}])
def test_v2_catches_a_wrong_model_a_missing_tool_version_and_an_empty_commit(wrong: dict[str, Any]) -> None:
    assert outcomes({**PROVENANCE, **wrong})["V2"] is Outcome.DIFFERS


def test_v3_catches_another_preset() -> None:
    assert outcomes({**PROVENANCE, "preset": "closeout"}) == {
        "V1": Outcome.AGREES,
        "V2": Outcome.AGREES,
        "V3": Outcome.DIFFERS,
    }


def test_an_audit_counts_its_checks_and_names_the_first() -> None:
    """Measured ones alone: a crashed check has no provenance to carry."""
    cells = tuple(CELL.model_copy(update={"repeat": number}) for number in range(24))
    ended = (*([Outcome.AGREES] * 2), *([Outcome.DIFFERS] * 20), Outcome.ERRORED)
    records = tuple(Record(cell=cell, outcome=outcome) for cell, outcome in zip(cells, ended, strict=False))
    plan = Plan(models=("m",), tools=("hooks",), repeats=5, preset="fixture", required=cells, planned=cells)
    missing, untraceable, preset = audit(Run(plan=plan, records=records))

    assert missing.sentence == "1 check without a record, first P1 m hooks r23"
    assert missing.measured["cells"] == ["P1 m hooks r23"]
    gaps = 22 * (len(REQUIRED) + 1)
    assert untraceable.sentence == f"{gaps} checks of unknown origin, first P1 m hooks r0 (no model)"
    assert len(untraceable.measured["cells"]) == 20, "the rest is only counted"
    assert preset.sentence == "22 checks not measured under fixture, first P1 m hooks r0 (None)"
