"""Which failure comes first, and how failures are grouped and explained."""

import pytest

from reports.page.advice import OTHER, advise, read_advice
from reports.page.findings import list_findings
from reports.page.view import view_run
from reports.page.words import OUTCOMES, STAGES
from reports.tests.synthetic_run import MODELS, agreeing, diverging, one_fault, replace
from reports.verdicts import judge
from reports.verdicts.commands import repeat_command, run_command
from steering_core.records.clauses import CLAUSES, Clause, Stage
from steering_core.records.record import Cell, Outcome


def test_agreeing_run_has_no_findings() -> None:
    assert list_findings(agreeing()) == []


def test_skipped_checks_are_counted_and_not_listed() -> None:
    assert [finding.clause.id for finding in list_findings(one_fault())] == ["P1"]
    assert view_run(one_fault(), judge(one_fault()))["skipped"] == 33


def test_findings_follow_the_protocol_and_group_models() -> None:
    findings = list_findings(diverging())
    pairs = ("hooks and nnsight", "nnsight and pyvene")
    expected = [("P1", "nnsight"), *(("D2", pair) for pair in pairs), *(("B2", pair) for pair in pairs)]
    assert [(finding.clause.id, finding.subject) for finding in findings] == expected
    assert all(finding.models == MODELS for finding in findings)


def test_failed_checks_come_before_unmeasured_ones() -> None:
    absent = Cell(clause="P1", model=MODELS[0], tool="pyvene")
    run = replace(diverging(), absent, outcome=Outcome.ABSENT, sentence="pyvene is not installed")
    outcomes = [finding.outcome for finding in list_findings(run)]
    assert outcomes[-1] is Outcome.ABSENT
    assert Outcome.ABSENT not in outcomes[:-1]


@pytest.mark.parametrize(
    "outcome", [outcome for outcome in Outcome if outcome not in (Outcome.AGREES, Outcome.NOT_OFFERED)]
)
@pytest.mark.parametrize("clause", list(CLAUSES))
def test_every_failure_has_advice_with_all_names_filled_in(clause: str, outcome: Outcome) -> None:
    first = agreeing().records[0].cell
    changed = replace(agreeing(), first, outcome=outcome, cell=first.model_copy(update={"clause": clause}))
    (finding,) = list_findings(changed)
    for text in finding.advice:
        assert len(text) > 20
        assert "{" not in text


def test_advice_names_only_known_clauses_and_outcomes() -> None:
    general = {OTHER, Outcome.ERRORED, Outcome.UNSUPPORTED, Outcome.ABSENT}
    assert general <= set(read_advice()) <= {*CLAUSES, *general}


def test_clause_without_advice_is_described_by_its_name_and_rule() -> None:
    advice = advise(Clause("P99", "novelty", "the tool does something new", Stage.PREFLIGHT), Outcome.DIFFERS, "hooks")
    assert advice.what == "“novelty” does not hold for hooks"
    assert "The protocol requires: the tool does something new." in advice.why


def test_every_term_is_explained() -> None:
    assert set(OUTCOMES) == set(Outcome)
    assert set(STAGES) == set(Stage)


def test_commands_carry_the_settings_of_the_run() -> None:
    run = diverging()
    assert run_command(run) == (
        "pytest parity -m 'tiny_qwen2 or tiny_gemma2' --preset fixture --repeats 5 --dtype float32 --no-gate"
    )
    preflight = [cell for cell in run.plan.planned if CLAUSES[cell.clause].stage is Stage.PREFLIGHT]
    only = run.model_copy(update={"plan": run.plan.model_copy(update={"planned": tuple(preflight)})})
    assert run_command(only).startswith("pytest parity -k preflight -m ")
    first = run.records[0]
    provenance = {"device": "cuda", "dtype": "torch.bfloat16"}
    on_gpu = first.model_copy(update={"provenance": provenance, "nodeid": "a.py::t[x y]"})
    command = "pytest 'a.py::t[x y]' -m tiny_qwen2 --preset fixture --repeats 5 --dtype bfloat16 --gpu --no-gate"
    assert repeat_command(run.plan, on_gpu) == command
    plan = run.plan.model_copy(update={"options": (("--tool", "my tool.py:Mine"), ("--batch-size", "7"))})
    assert repeat_command(plan, on_gpu) == f"{command} --tool 'my tool.py:Mine' --batch-size 7"
    switch = run.plan.model_copy(update={"options": (("--exact", ""),)})
    assert repeat_command(switch, on_gpu) == f"{command} --exact"
    failed = on_gpu.model_copy(update={"measured": {"program_file": "/run/programs/P13.json"}})
    assert repeat_command(run.plan, failed) == f"{command} --program /run/programs/P13.json"
