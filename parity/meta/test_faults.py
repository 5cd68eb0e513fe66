"""No check is blind: every declared fault is caught by the clauses that it names, and by no others."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from itertools import product
from typing import Any
from zlib import crc32

import pytest

from fixtures.faults import FAULTS, Fault, definitions
from fixtures.faults.registry import HERE, PROGRAMS
from parity.meta.child_process import in_child
from parity.meta.conftest import EVERY_CLAUSE
from parity.meta.fault_matrix import blocks, holds, mismatches, senseless, signs
from parity.meta.finding_runs import run_finding_checks
from parity.meta.shares import in_part, number_of_fault
from parity.meta.sweep_runs import run_sweep_checks
from parity.plugin.harness import Check, LoadedCheckpoint, list_checks, run_checks
from parity.plugin.planning import CANONICAL
from steering_core.measure.findings.findings import Findings
from steering_core.measure.sweep import Sweep
from steering_core.records.audit import audit
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.record import Cell, Outcome, Plan, Record, Run

FILES = sorted({fault.file for fault in FAULTS})
DAMAGING = {"side_effects", "process_effects"}
"""Files whose faults would change this process for the tests that follow."""
INSIDE = {"inner_sites", "steering"}
"""Files with faults that show at edits inside blocks."""
BASES = {"ChangesModel", "OtherStream", "OwnDirection", "PacksPrompts", "ReturnsOther", "ReturnsOtherIds"}
"""What some faults derive from; not faults themselves."""
OWN = (("base", "WrappedHooks"), ("base", "EveryMode"), ("base", "InheritedHooks"), ("directions", "OwnDirection"))
CORRECT = ("hooks", "nnsight", "pyvene", *(f"{HERE / file}.py:{name}" for file, name in OWN))
SHARED = [pytest.param(fault, marks=in_part(number_of_fault(fault, FAULTS), 12)) for fault in FAULTS]
KEYS = ("tiny_qwen2", "tiny_gemma2")
CORRECT_ON_EACH = [
    pytest.param(spec, key, marks=in_part(number, 12)) for number, (spec, key) in enumerate(product(CORRECT, KEYS))
]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., LoadedCheckpoint]:
    """Models by key and, if it is not the registry row's, dtype; each loaded once."""
    return cache(lambda key, dtype="": LoadedCheckpoint(key, tmp_path_factory.mktemp(f"{key}{dtype}"), dtype))


def records_with(fault: Fault, checkpoint: LoadedCheckpoint) -> list[Record]:
    """The records of a tool, of a run whose model or prompts are faulty, or of the audit of faulty records."""
    if fault.file in DAMAGING:
        return in_child(lambda: run_checks(checkpoint.experiment(), fault.spec, wanted_for(fault)))
    if fault.is_tool:
        return run_checks(checkpoint.experiment(), fault.spec, wanted_for(fault))
    make = getattr(import_module(f"fixtures.faults.{fault.file}"), fault.name)
    if fault.file == "records":
        return list(audit(make(correct_run(checkpoint))))
    if fault.file == "sweeps":
        return run_sweep_checks(lambda: make(Sweep(checkpoint.experiment())), named_clauses(fault))
    if fault.file.startswith("findings"):
        return run_finding_checks(lambda: make(Findings(checkpoint.experiment())), named_clauses(fault))
    model, prompts = make(checkpoint.model, checkpoint.prompts)
    return run_checks(checkpoint.experiment(model, prompts), "hooks", lambda check: check.judges_run, gated=False)


def wanted_for(fault: Fault) -> Callable[[Check], bool]:
    """The clauses that the fault names, and for one fault in eight, or for all of them, every other clause too, except for
    random programs, which would find most faults, and, in another dtype, for the canonical direction, which there is none of.
    Inside blocks only those that are about that, or tried on everything."""
    if named := named_clauses(fault):
        inside = fault.file in INSIDE
        return lambda check: check.judges_tools and check.clause in named and (inside or "inner" not in check.params)
    unneeded = {*PROGRAMS.values(), *((CANONICAL,) if fault.dtype else ())} - {*fault.caught_by}
    return lambda check: check.judges_tools and check.clause not in unneeded


def named_clauses(fault: Fault) -> set[str]:
    """Those that the fault names; none of them for a fault that is tried on every clause."""
    every = EVERY_CLAUSE or crc32(fault.name.encode()) % 8 == 0
    return set() if every else {*fault.caught_by, *fault.either}


def correct_run(checkpoint: LoadedCheckpoint) -> Run:
    """A short run of one tool, as the ledger stores it."""
    records = tuple(run_checks(checkpoint.experiment(), "hooks", lambda check: check.clause in {"P1", "P2"}))
    cells = tuple(record.cell for record in records)
    key = cells[0].model
    plan = Plan(models=(key,), tools=("hooks",), repeats=1, preset="fixture", required=cells, planned=cells)
    return Run(plan=plan, records=records)


@pytest.mark.parametrize("fault", SHARED, ids=lambda fault: fault.name)
def test_a_fault_is_caught_by_its_declared_clauses_only(
    fault: Fault, checkpoints: Callable[..., LoadedCheckpoint], record_property: Callable[[str, Any], None]
) -> None:
    records = records_with(fault, checkpoints(fault.model, *filter(None, [fault.dtype])))
    record_property("fault_row", {"fault": fault.name, "signs": signs(records)})

    assert mismatches(fault, records) == []
    assert senseless(records) == []


@pytest.mark.parametrize(("spec", "key"), CORRECT_ON_EACH, ids=lambda value: value.rpartition(":")[2])
def test_a_correct_tool_passes_every_clause(spec: str, key: str, checkpoints: Callable[..., LoadedCheckpoint]) -> None:
    records = run_checks(checkpoints(key).experiment(), spec)

    assert [f"{record.cell.id}: {record.sentence}" for record in records if not holds(record)] == []
    assert {record.cell.clause for record in records} >= {"P1", "P12", "D6", "S8", "B2"}


@pytest.mark.parametrize("key", KEYS)
def test_a_correct_run_passes_every_clause(key: str, checkpoints: Callable[..., LoadedCheckpoint]) -> None:
    records = run_checks(checkpoints(key).experiment(), "hooks", lambda check: check.judges_run)

    assert [f"{record.cell.id}: {record.sentence}" for record in records if not holds(record)] == []
    assert {record.cell.clause for record in records} == {"P4", "B3", "B4"}


def test_a_correct_sweep_passes_every_clause(checkpoints: Callable[..., LoadedCheckpoint]) -> None:
    records = run_sweep_checks(lambda: Sweep(checkpoints("tiny_qwen2").experiment()))

    assert [f"{record.cell.id}: {record.sentence}" for record in records if not holds(record)] == []
    assert {record.cell.clause for record in records} == {"W1", "W2", "W3", "W4"}


def test_correct_findings_pass_every_clause(checkpoints: Callable[..., LoadedCheckpoint]) -> None:
    records = run_finding_checks(lambda: Findings(checkpoints("tiny_qwen2").experiment()))

    assert [f"{record.cell.id}: {record.sentence}" for record in records if not holds(record)] == []
    assert {record.cell.clause for record in records} == {
        row.id for row in CLAUSES.values() if row.stage is Stage.FINDINGS
    }


def test_the_records_of_a_correct_run_pass_the_audit(checkpoints: Callable[..., LoadedCheckpoint]) -> None:
    assert signs(audit(correct_run(checkpoints("tiny_qwen2")))) == {"V1": ".", "V2": ".", "V3": "."}


def test_every_clause_is_tested_by_a_fault() -> None:
    caught = {clause for fault in FAULTS for clause in fault.caught_by}

    assert [clause for clause in CLAUSES if clause not in caught] == []


@pytest.mark.parametrize("file", FILES)
def test_every_fault_in_the_files_is_declared(file: str) -> None:
    declared = {fault.name for fault in FAULTS if fault.file == file}

    nodes = {node.name: node for node in definitions(file)}
    assert {name for name in nodes if not name.startswith("_")} - BASES == declared
    assert all(fault.sentence.endswith(".") for fault in FAULTS if fault.file == file)


def test_every_file_of_faults_is_declared() -> None:
    assert len(FAULTS) >= 40
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    others = {"__init__", "base", "registry", "processes"}  # the last: test_tool_hosts.py
    others |= {file for file, clause in PROGRAMS.items() if clause not in CLAUSES}
    assert {path.stem for path in HERE.glob("*.py")} - others == set(FILES)


FAULT = next(fault for fault in FAULTS if fault.name == "OneBlockEarly")


def records_of(**outcomes: Outcome) -> list[Record]:
    """One record per clause."""
    measured = {"localized": " ".join(FAULT.localized).format(**blocks(FAULT.model))}
    return [
        Record(cell=Cell(clause=clause, model="m"), outcome=outcome, sentence=f"{clause} differs", measured=measured)
        for clause, outcome in outcomes.items()
    ]


def test_a_blind_clause_and_an_undeclared_one_are_reported() -> None:
    caught = {clause: Outcome.DIFFERS for clause in FAULT.caught_by}
    differs, agrees = Outcome.DIFFERS, Outcome.AGREES

    def reported(fault: Fault = FAULT, **changed: Outcome) -> Sequence[str]:
        return mismatches(fault, records_of(**(caught | changed)))

    assert reported() == reported(P2=agrees) == []
    assert reported(P1=agrees) == ["P1 does not catch it"]
    assert reported(P2=differs) == ["P2 fires: P2 differs"]
    assert reported(P2=Outcome.ERRORED) == ["P2 fires: P2 differs"]
    assert reported(replace(FAULT, either=("P2",)), P2=differs) == []
    assert reported(replace(FAULT, caught_by=(*FAULT.caught_by, "P3"))) == ["P3 did not run"]
    assert reported(replace(FAULT, localized=("row 0 only",))) == ["no localization contains 'row 0 only'"]


def test_the_harness_runs_every_check_but_those_of_sweeps_findings_and_evidence() -> None:
    selected = [check for check in list_checks() if check.judges_tools or check.judges_run]

    assert {check.clause for check in selected} == {
        row.id for row in CLAUSES.values() if row.stage not in (Stage.SWEEP, Stage.FINDINGS, Stage.EVIDENCE)
    }
    assert [check.function.__name__ for check in list_checks() if check not in selected] == ["test_reference_direction"]
