"""Cells laid out by model, tool and stage."""

import pytest

from reports.run.cell_grid import SYMBOLS, build_cell_grid, worst
from reports.tests.synthetic_run import MODELS, agreeing, one_fault
from steering_core.records.clauses import Stage
from steering_core.records.record import Outcome


def test_each_outcome_has_its_own_symbol() -> None:
    assert set(SYMBOLS) == set(Outcome)
    assert len(set(SYMBOLS.values())) == len(Outcome)


def test_a_pair_counts_for_both_tools_and_a_model_for_all() -> None:
    row = build_cell_grid(agreeing())[MODELS[0], "pyvene"]
    assert sorted(record.cell.id for record in row[Stage.PREFLIGHT] if record.cell.other) == [
        "P6 tiny_qwen2 hooks~pyvene",
        "P6 tiny_qwen2 nnsight~pyvene",
    ]
    assert "B3 tiny_qwen2" in [record.cell.id for record in row[Stage.BEHAVIOR]]


def test_one_difference_outweighs_everything_else() -> None:
    grid = build_cell_grid(one_fault())
    assert worst(grid[MODELS[0], "nnsight"][Stage.PREFLIGHT]) is Outcome.DIFFERS
    assert worst(grid[MODELS[0], "nnsight"][Stage.STEERING]) is Outcome.ABSENT
    assert worst(grid[MODELS[0], "hooks"][Stage.PREFLIGHT]) is Outcome.AGREES


@pytest.mark.parametrize("outcome", Outcome)
def test_the_worst_of_one_record_is_its_outcome(outcome: Outcome) -> None:
    record = agreeing().records[0].model_copy(update={"outcome": outcome})
    assert worst([record]) is outcome
    assert worst([]) is Outcome.ABSENT
