"""The columns of the compatibility table: every check of a tool is in one, and a wrong tool fails the right ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from parity.plugin.cells import make_cell
from parity.plugin.harness import Check, LoadedCheckpoint, list_checks, run_checks
from reports.compatibility.columns import matches, read_columns, read_left_out
from reports.compatibility.rows import build_rows
from reports.compatibility.source import Source
from reports.compatibility.support import State
from steering_core.places import FIXTURES
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.record import Cell, Plan, Run

KEY = "tiny_qwen2"
FAULTS = {
    "reading:OneBlockEarly": {"read", "left", "right"},
    "tokens:MovesPadding": {"right"},
    "tokens:PackedWithMask": {"packed"},
    "steering:AblatesHalf": {"ablate"},
}
"""{fault: columns that it fails, of those below}."""
WATCHED = {"read", "ablate", "left", "right", "packed"}
CLAUSES_RUN = {"P1", "P4", "S7"}
"""What the watched columns are about."""


def cells() -> Iterator[Cell]:
    """Each check of the preflight and of steering, about one tool where it judges any."""
    for check in list_checks():
        if CLAUSES[check.clause].stage in (Stage.PREFLIGHT, Stage.STEERING):
            tool = {"tool_name": "hooks"} if "tool" in check.arguments else {}
            pair = {"pair": ("hooks", "nnsight")} if "tools" in check.arguments else {}
            yield make_cell(check.clause, {**check.params, **tool, **pair, "model_key": KEY})


def test_every_check_of_a_tool_is_in_a_column_or_left_out_with_a_reason() -> None:
    outside = [cell for cell in cells() if not any(column.holds(cell) for column in read_columns())]
    assert {f"{cell.clause}{'' if cell.other else ' -'}" for cell in outside} == set(read_left_out())
    assert not [cell.id for cell in outside if cell.tool and not cell.other]


def test_every_column_has_a_check_and_names_none_that_does_not_exist() -> None:
    existing = list(cells())
    for column in read_columns():
        assert column.checks, column.name
        for check in column.checks:
            assert any(matches(check, cell) for cell in existing), f"{column.name}: {check}"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> LoadedCheckpoint:
    return LoadedCheckpoint(KEY, tmp_path_factory.mktemp(KEY))


def columns_of(checkpoint: LoadedCheckpoint, tool: str) -> dict[State, set[str]]:
    """{state: columns} of a tool that really ran, of those checks alone."""

    def wanted(check: Check) -> bool:
        return "tool" in check.arguments and check.clause in CLAUSES_RUN

    records = tuple(run_checks(checkpoint.experiment(), tool, wanted, gated=False))
    required = tuple(record.cell for record in records)
    plan = Plan(models=(KEY,), tools=(tool,), repeats=1, preset="fixture", required=required, planned=required)
    (row,) = build_rows([Source("live", Path("live"), "", Run(plan=plan, records=records))])
    return {state: {each.column.name for each in row.supports if each.state is state} for state in State}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_its_columns_and_no_others(fault: str, checkpoint: LoadedCheckpoint) -> None:
    file, name = fault.split(":")
    shown = columns_of(checkpoint, f"{FIXTURES / 'faults' / file}.py:{name}")
    not_offered = set() if name == "PackedWithMask" else {"packed"}
    assert shown[State.FAILS] == FAULTS[fault]
    assert shown[State.NOT_OFFERED] & WATCHED == not_offered
    assert shown[State.HOLDS] == WATCHED - FAULTS[fault] - not_offered
