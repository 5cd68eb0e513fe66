"""F7 on the page: a row per pair of stages, and the counts that it is concluded from."""

from reports.page.finding_parts import finding_schemas
from reports.page.finding_parts.tuning_stages import PART
from steering_core.records.record import Cell, Outcome, Record

MEASURED = {
    "earlier": "sft",
    "later": "preferred",
    "coefficients": [0.0, 5.0],
    "layers": [4],
    "earlier_curve": [[0, 30, 30], [29, 30, 30]],
    "later_curve": [[0, 29, 30], [7, 28, 30]],
    "earlier_layers": [[29, 30, 30]],
    "later_layers": [[20, 30, 30]],
    "earlier_ratios": [0.0, 0.5, 0.4],
    "later_ratios": [0.0, 0.25, 0.2],
    "earlier_random": [[0, 30, 30], [1, 29, 30]],
    "later_random": [[0, 30, 30], [2, 28, 30]],
    "earlier_coefficient": 5.0,
    "later_coefficient": None,
    "earlier_cliff": [0.0, 5.0, 0.5],
    "later_cliff": None,
    "preserved_layers": [3, 4],
}


def test_a_pair_has_its_conclusions_and_its_counts() -> None:
    cell = Cell(clause="F7", model="preferred", variant="after:sft")
    record = Record(cell=cell, outcome=Outcome.AGREES, sentence="sft -> preferred", measured=MEASURED)
    summary, curve, layers = PART.view([record]).tables
    assert summary.rows == (("sft", "preferred", 5.0, None, 0.0, None, "3, 4"),)
    assert curve.rows == (
        ("sft", "preferred", 0.0, 0.0, 0.0, 0, 30, 0, 29, 30, 0, 0),
        ("sft", "preferred", 5.0, 0.5, 0.25, 29, 30, 7, 28, 30, 1, 2),
    )
    assert layers.rows == (("sft", "preferred", 4, 0.4, 0.2, 29, 30, 20, 30, 30),)
    assert all(len(row) == len(table.columns) for table in (summary, curve, layers) for row in table.rows)
    assert "sft & preferred & 5 & 0.5 & 0.25 & 29 & 30 & 7 & 28 & 30 & 1 & 2" in curve.latex


def test_the_schema_names_every_field_of_a_record() -> None:
    assert set(MEASURED) <= set(finding_schemas()["measured of F7"]["properties"])


def test_a_record_of_an_earlier_version_has_no_ratios() -> None:
    older = {name: value for name, value in MEASURED.items() if "ratios" not in name and "random" not in name}
    cell = Cell(clause="F7", model="preferred", variant="after:sft")
    record = Record(cell=cell, outcome=Outcome.AGREES, sentence="sft -> preferred", measured=older)
    _, curve, layers = PART.view([record]).tables
    assert [row[2:6] for row in curve.rows] == [(0.0, None, None, 0), (5.0, None, None, 29)]
    assert layers.rows == (("sft", "preferred", 4, None, None, 29, 30, 20, 30, 30),)
