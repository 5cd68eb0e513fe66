"""Adapters in steering_core/tools/third_party that need no library of their own: what they are known to break, and no more."""

from pathlib import Path

from parity.plugin.harness import Check, LoadedCheckpoint, run_checks
from steering_core.places import IMPORTS
from steering_core.records.record import Outcome
from steering_core.tools.deviations import read_deviations

HIDDEN_STATES = IMPORTS / "steering_core" / "tools" / "third_party" / "hidden_states.py"
CHEAP = ("P0", "P1", "P2", "P3", "P4", "P5", "P8", "P10")


def test_hidden_states_alias_the_model_and_end_with_the_final_norm(tmp_path: Path) -> None:
    experiment = LoadedCheckpoint("tiny_qwen2", tmp_path).experiment()

    def wanted(check: Check) -> bool:
        return check.clause in CHEAP and check.judges_tools

    records = run_checks(experiment, f"{HIDDEN_STATES}:HiddenStates", wanted, gated=False)

    mine = [record for record in records if record.cell.tool == "HiddenStates"]
    wrong = [f"{each.cell.id}: {each.sentence}" for each in mine if each.outcome is Outcome.DIFFERS and not each.declared]
    assert wrong == []
    declared = {(record.cell.clause, record.cell.variant or "") for record in mine if record.declared}
    rows = {(row.clause, row.variant) for row in read_deviations(HIDDEN_STATES) if row.clause in CHEAP}
    assert declared == rows == {("P1", "last"), ("P1", ""), ("P8", "")}
    held = {record.cell.clause for record in mine if record.outcome is Outcome.AGREES}
    assert held >= {"P0", "P1", "P2", "P3", "P4", "P10"}
    assert {record.cell.clause for record in mine if record.outcome is Outcome.NOT_OFFERED} == {"P0", "P5"}
