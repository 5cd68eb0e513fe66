"""F8 on the page: every model once per strength, and the differences."""

from reports.page.finding_parts import finding_schemas
from reports.page.finding_parts.equal_strength import PART
from steering_core.records.record import Cell, Outcome, Record

NUMBERS = {
    **{"ratio": 0.6, "worst_divergence": 2.5, "random_divergence": 0.5, "low": 0.49, "high": 0.94, "garbled": 1},
    **{"total": 10, "random_coherent": 0, "unsteered_coherent": 1, "wrong_way": 2},
}


def row(model: str, coherent: int) -> dict[str, object]:
    return {"scale": "ratio", "combination": "single", "model": model, "coherent": coherent, **NUMBERS}


def record(model: str, beside: str, gap: list[float]) -> Record:
    rows = [row(name, {"sft": 8, "preferred": 3, "base": 0}[name]) for name in (model, beside)]
    gaps = [{"scale": "ratio", "combination": "single", "gap": gap}]
    measured = {"beside": beside, "table": rows, "gaps": gaps, "statements": []}
    cell = Cell(clause="F8", model=model, variant=f"beside:{beside}")
    return Record(cell=cell, outcome=Outcome.AGREES, sentence="compared", measured=measured)  # type: ignore[arg-type]


def test_a_model_has_one_row_per_strength_and_each_pair_its_difference() -> None:
    compared = [record("preferred", "sft", [-0.5, -0.75, -0.1]), record("sft", "base", [0.8, 0.4, 1.0])]
    models, differences = PART.view(compared).tables
    numbers = (0.6, 2.5, 0.5)

    assert [each[2] for each in models.rows] == ["preferred", "sft", "base"]
    assert models.rows[0] == ("ratio", "single", "preferred", *numbers, 30, 49, 94, 10, 10, 0, 1, 20)
    assert differences.rows[0] == ("ratio", "single", "preferred", "sft", -50, -75, -10)
    assert all(len(each) == len(table.columns) for table in (models, differences) for each in table.rows)
    assert "ratio & single & preferred & sft & -50 & -75 & -10" in differences.latex


def test_the_schema_names_every_field_of_a_record() -> None:
    assert {"beside", "table", "gaps"} <= set(finding_schemas()["measured of F8"]["properties"])
