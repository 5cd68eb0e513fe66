"""F5 on the page: one row per source and target, detection beside control; between models a matrix of each."""

import pytest

from reports.page.finding_parts.transfer import COLUMNS, PART
from steering_core.records.record import Cell, Outcome, Record

MEASURED = {
    "matrix": "topics",
    "source": "home",
    "target": "money",
    "cosine": 0.5,
    "detection": [0.9, 0.8, 0.95],
    "efficiency": [0.25, 0.1, 0.5],
    "transferred": [3, 12],
    "transferred_interval": [0.1, 0.6],
    "own": [12, 12],
    "random": [0, 12],
    "ratio": 0.4,
    "cumulative_ratio": 1.6,
}


def record(model: str = "tiny_traits_sft", **changes: object) -> Record:
    cell = Cell(clause="F5", model=model, variant="topics:home:money")
    return Record(cell=cell, outcome=Outcome.AGREES, sentence="home -> money", measured={**MEASURED, **changes})


def test_a_cell_is_a_row_with_both_kinds_of_transfer() -> None:
    (table,) = PART.view([record()]).tables
    (row,) = table.rows
    assert row[:5] == ("tiny_traits_sft", "topics", "home", "money", 0.5)
    assert row[5:11] == (0.9, 0.8, 0.95, 0.25, 0.1, 0.5)
    assert row[11:] == (3, 12, 0, 12, 25.0, pytest.approx(10.0), pytest.approx(60.0), 0.4, 1.6, None)
    assert len(row) == len(COLUMNS)


def test_without_an_own_effect_the_efficiency_stays_empty() -> None:
    (table,) = PART.view([record(efficiency=None)]).tables
    assert table.rows[0][8:11] == (None, None, None)


def test_between_models_each_number_has_a_matrix() -> None:
    cells = [("a", "a", 0.9), ("a", "b", 0.6), ("b", "a", 0.7), ("b", "b", 1.0)]
    records = [
        record(target, matrix="own" if source == target else "families", source=source, target=target)
        for source, target, _ in cells
    ]
    for each, (*_, auc) in zip(records, cells, strict=True):
        each.measured["detection"] = [auc, 0.5, 1.0]
    records[1].measured["efficiency"] = None
    _, detected, controlled = PART.view(records).tables
    assert (detected.columns, detected.rows) == (("source", "a", "b"), (("a", 0.9, 0.6), ("b", 0.7, 1.0)))
    assert controlled.rows == (("a", 0.25, None), ("b", 0.25, 0.25))
    assert "a & 0.9 & 0.6" in detected.latex
    assert detected.csv.splitlines() == ["source,a,b", "a,0.9,0.6", "b,0.7,1.0"]


def test_models_of_different_hidden_sizes_have_a_row_without_numbers() -> None:
    limit = "geometric only: hidden sizes 64 and 48 differ"
    measured = {"matrix": "sizes", "source": "a", "target": "b", "limit": limit}
    measured |= dict.fromkeys(("cosine", "detection", "efficiency"))
    cell = Cell(clause="F5", model="b", variant="from:a")
    (table,) = PART.view([Record(cell=cell, outcome=Outcome.AGREES, sentence=limit, measured=measured)]).tables
    (row,) = table.rows
    assert row[:4] == ("b", "sizes", "a", "b")
    assert set(row[4:-1]) == {None}
    assert row[-1] == limit
