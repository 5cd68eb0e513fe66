"""The grid of checks: five outcomes in five shapes, what a cell opens to, and how a missing record is shown."""

from itertools import pairwise

import pytest

from reports.page.findings import list_findings
from reports.page.grid import Square, build_grids
from reports.page.html import render_page
from reports.tests.parsed_page import Parsed, parsed, rendered
from reports.tests.synthetic_run import LOCALIZED, MODELS, TOOLS, agreeing, one_fault, replace
from reports.verdicts import judge
from steering_core.records.clauses import CLAUSES
from steering_core.records.record import Cell, Outcome, Run


def squares_of(run: Run, clause: str, model: str = MODELS[0]) -> dict[str, Square]:
    grid = next(grid for grid in build_grids(run) if grid.model == model)
    row = next(row for row in grid.rows if row.clause.id == clause)
    return {square.who: square for square in row.squares if square}


def test_clauses_follow_the_order_of_the_protocol() -> None:
    planned = {record.cell.clause for record in agreeing().records}
    for grid in build_grids(agreeing()):
        assert [row.clause.id for row in grid.rows] == [name for name in CLAUSES if name in planned]
        assert [clause.id for clause in grid.unplanned] == [name for name in CLAUSES if name not in planned]


def test_rows_are_by_tool_by_pair_or_for_the_whole_model() -> None:
    run = agreeing()
    assert list(squares_of(run, "P1")) == list(TOOLS)
    assert list(squares_of(run, "P6")) == ["hooks ~ nnsight", "hooks ~ pyvene", "nnsight ~ pyvene"]
    assert list(squares_of(run, "B3")) == ["all tools together"]


def test_a_check_of_the_whole_model_is_shown_beside_those_of_the_tools() -> None:
    cell = Cell(clause="P4", model=MODELS[0])
    record = agreeing().records[0].model_copy(update={"cell": cell, "outcome": Outcome.DIFFERS})
    run = agreeing()
    squares = squares_of(run.model_copy(update={"records": (*run.records, record)}), "P4")
    assert list(squares) == ["all tools together", *TOOLS]
    assert squares["all tools together"].outcome is Outcome.DIFFERS


def test_worst_record_decides_a_square_and_its_share_is_shown() -> None:
    one = Cell(clause="D2", model=MODELS[0], tool="hooks", other="pyvene", repeat=3)
    square = squares_of(replace(agreeing(), one, outcome=Outcome.DIFFERS, sentence="cos 0.9"), "D2")["hooks ~ pyvene"]
    assert (square.outcome, square.share, square.sentences[0]) == (Outcome.DIFFERS, "1 of 5", "cos 0.9")


def test_skipped_check_is_absent_and_labeled_skipped() -> None:
    square = squares_of(one_fault(), "D1")["nnsight"]
    assert (square.outcome, square.label) == (Outcome.ABSENT, "skipped")


def test_declared_deviation_is_neither_agreement_nor_failure() -> None:
    cell = Cell(clause="P9", model=MODELS[0], tool="pyvene")
    one = replace(agreeing(), Cell(clause="P5", model=MODELS[0], tool="pyvene"), cell=cell, outcome=Outcome.DIFFERS)
    run = replace(one, cell, measured={"declared_deviation": "the library removes every hook"})
    square = squares_of(run, "P9")["pyvene"]
    assert (square.outcome, square.look, square.label) == (Outcome.DIFFERS, "declared", "known deviation")
    assert list_findings(run) == []


def test_undeclared_failure_outranks_a_declared_one() -> None:
    first, second = (Cell(clause="D2", model=MODELS[0], tool="hooks", other="pyvene", repeat=n) for n in (0, 1))
    run = replace(agreeing(), first, outcome=Outcome.DIFFERS, measured={"declared_deviation": "known"})
    run = replace(run, second, outcome=Outcome.DIFFERS)
    square = squares_of(run, "D2")["hooks ~ pyvene"]
    assert (square.look, square.share) == ("differs", "1 of 5")


def test_planned_cell_without_a_record_is_absent() -> None:
    run = agreeing()
    records = tuple(record for record in run.records if record.cell.clause != "S1" or record.cell.tool != "pyvene")
    square = squares_of(run.model_copy(update={"records": records}), "S1")["pyvene"]
    assert (square.outcome, square.label) == (Outcome.ABSENT, "no record")


def test_unplanned_clauses_are_named() -> None:
    run = agreeing()
    cells = tuple(cell for cell in run.plan.planned if cell.clause != "P1")
    records = tuple(record for record in run.records if record.cell.clause != "P1")
    plan = run.plan.model_copy(update={"planned": cells, "required": cells})
    fewer = run.model_copy(update={"records": records, "plan": plan})
    text = Parsed(render_page(fewer, judge(fewer))).text
    assert "Not part of this run: P0 contract, P1 location, " in text
    assert "sweep (W1-W4), findings (F1-F8)" in text, "a whole stage is named once"


def test_cell_opens_to_diagnosis_numbers_and_command() -> None:
    text = parsed(one_fault).text
    opened = text[text.index("P1 location: nnsight") :]
    opened = opened[: opened.index("P1 location: pyvene")]
    for words in (f"Diagnosis: {LOCALIZED}", "largest difference 3.1", "tolerance 1e-05", "Repeat this check: pytest"):
        assert words in opened


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_has_its_own_shape_and_word(outcome: Outcome) -> None:
    cell = Cell(clause="P1", model=MODELS[0], tool="pyvene")
    run = replace(agreeing(), cell, outcome=outcome)
    page = render_page(run, judge(run))
    look = outcome.replace(" ", "-")
    shape = f'href="#icon-{look}"'
    others = rendered(agreeing)
    assert page.count(shape) > others.count(shape) or outcome is Outcome.AGREES
    assert f'<symbol id="icon-{look}"' in page
    assert f"<b>{outcome}</b>" in page


def test_outcomes_have_distinct_shapes() -> None:
    page = rendered(agreeing)
    looks = [outcome.replace(" ", "-") for outcome in Outcome]
    starts = [page.index(f'<symbol id="icon-{look}"') for look in looks]
    shapes = [page[start : page.index("</symbol>", start)].split("viewBox", 1)[1] for start in starts]
    assert len(set(shapes)) == len(Outcome)
    assert all(a != b for a, b in pairwise(sorted(shapes)))


def test_cells_open_without_script() -> None:
    page = parsed(agreeing)
    squares = sum(len([s for s in row.squares if s]) for grid in build_grids(agreeing()) for row in grid.rows)
    drops = [tag["id"] for tag in page.all("details") if tag.get("class", "").startswith("drop ")]
    assert len(set(drops)) == squares
    assert {tag["href"] for tag in page.all("a") if "data-opens" in tag} == {f"#{name}" for name in drops}
    assert len(page.all("button")) == len(page.all("button", hidden=""))
