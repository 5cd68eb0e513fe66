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
    assert curve.rows == (("sft", "preferred", 0.0, 0, 30, 0, 29, 30), ("sft", "preferred", 5.0, 29, 30, 7, 28, 30))
    assert layers.rows == (("sft", "preferred", 4, 29, 30, 20, 30, 30),)
    assert all(len(row) == len(table.columns) for table in (summary, curve, layers) for row in table.rows)
    assert "sft & preferred & 5 & 29 & 30 & 7 & 28 & 30" in curve.latex


def test_the_schema_names_every_field_of_a_record() -> None:
    assert set(MEASURED) <= set(finding_schemas()["measured of F7"]["properties"])
