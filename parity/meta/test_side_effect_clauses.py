"""P9 and P11 blame the right action, honor known deviations, and raise no false alarm."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from parity.meta.child_process import in_child
from parity.plugin.harness import LoadedCheckpoint, run_checks
from steering_core.observe.aspects import ASPECTS
from steering_core.records.record import Outcome, Record
from steering_core.tools.spec import BUILT_IN

HIDDEN_STATES = f"{Path(__file__).resolve().parent / 'defects' / 'plain_hooks.py'}:HiddenStates"
TOOL = """
from fixtures.faults.process_effects import EnvironmentChanged
from steering_core.observe.fault_injection import PlannedFailure, PlannedInterrupt


class Steering(EnvironmentChanged):
    name = "Steering"


class Derived(EnvironmentChanged):
    def read(self, model, batch, sites):
        try:
            return self.hooks.read(model, batch, sites)
        except (PlannedFailure, PlannedInterrupt) as error:
            raise type("InBlock4", (type(error),), {})("in block 4") from error
"""
ROW = """[[deviation]]
clause = "P9"
variant = "{variant}"
versions = "==1"
reason = "sets a variable"
"""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> LoadedCheckpoint:
    return LoadedCheckpoint("tiny_qwen2", tmp_path_factory.mktemp("tiny_qwen2"))


def measured(checkpoint: LoadedCheckpoint, spec: str, clauses: str = "P9") -> list[Record]:
    """The records of some clauses, from a process of its own."""
    return in_child(lambda: run_checks(checkpoint.experiment(), spec, lambda check: check.clause in clauses.split()))


def process_record(checkpoint: LoadedCheckpoint, folder: Path, variant: str = "") -> Record:
    """P9 of a tool that changes the environment when it steers, with a row of known deviations or none."""
    (folder / "tool.py").write_text(TOOL)
    if variant:
        (folder / "tool.toml").write_text(ROW.format(variant=variant))
    records = measured(checkpoint, f"{folder / 'tool.py'}:Steering")
    return next(record for record in records if record.cell.variant == "process")


def test_the_record_says_which_action_left_the_change(checkpoint: LoadedCheckpoint, tmp_path: Path) -> None:
    record = process_record(checkpoint, tmp_path)
    place = "added to 1 place, first environment variable STEERING_TOOL"
    assert record.sentence == f"process: {place} (by steering)"
    assert record.measured["left by generate"] == place
    assert "left by read" not in record.measured


def test_a_row_of_the_aspect_declares_it(checkpoint: LoadedCheckpoint, tmp_path: Path) -> None:
    record = process_record(checkpoint, tmp_path, "process")
    assert record.declared, record.sentence


def test_an_exception_derived_from_the_planned_one_is_accepted(checkpoint: LoadedCheckpoint, tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text(TOOL)
    records = measured(checkpoint, f"{tmp_path / 'tool.py'}:Derived", "P11")
    assert len(records) == 3
    assert [record.sentence for record in records if record.outcome is not Outcome.AGREES] == []


def test_hidden_states_are_attributed_to_transformers(checkpoint: LoadedCheckpoint) -> None:
    records = {record.cell.variant: record for record in measured(checkpoint, HIDDEN_STATES)}
    assert [record.sentence for record in records.values() if record.outcome is not Outcome.AGREES] == []
    sentence = "hooks unchanged; transformers added its capturing hooks in 16 places (by reading)"  # 8 blocks
    assert records["hooks"].sentence == sentence


def side_effects(checkpoint: LoadedCheckpoint) -> Iterator[Record]:
    for tool in BUILT_IN:
        yield from run_checks(checkpoint.experiment(), tool, lambda check: check.clause in {"P9", "P11"})


def test_the_built_in_tools_have_only_their_known_side_effects(checkpoint: LoadedCheckpoint) -> None:
    """In the suite's own process; test_families runs them in the tools' processes, on every tiny model."""
    records = list(side_effects(checkpoint))
    failures = [f"{record.cell.id}: {record.sentence}" for record in records if record.outcome is not Outcome.AGREES]
    known = [f"{record.cell.id}: {record.sentence}" for record in records if record.declared]
    assert failures == known
    assert len(known) == 3
    assert len(records) == len(BUILT_IN) * (len(ASPECTS) + 3)
