"""The checklist of protocol section D: the outcome per model, tool and check."""

from reports.run.checklist import build_checklist
from reports.tests.synthetic_run import LOCALIZED, MODELS, agreeing, one_fault
from steering_core.records.record import Outcome

CHECKS = ["location", "shape", "dtype", "token position", "timing", "agreement"]


def test_every_check_is_listed_for_every_tool() -> None:
    checklist = build_checklist(agreeing())
    assert checklist.passes
    assert list(checklist.models[MODELS[0]]["pyvene"].checks) == CHECKS
    assert len(checklist.models[MODELS[1]]["nnsight"].checks["agreement"].entries) == 2


def test_a_wrong_tensor_fails_its_tool_alone() -> None:
    checklist = build_checklist(one_fault())
    location = checklist.models[MODELS[0]]["nnsight"].checks["location"]
    assert (location.outcome, location.entries[0].measured["localized"]) == (Outcome.DIFFERS, LOCALIZED)
    assert "max|d| = 3.1" in location.sentence
    assert not checklist.passes
    assert not checklist.models[MODELS[0]]["nnsight"].passes
    assert checklist.models[MODELS[0]]["hooks"].passes


def test_a_check_without_a_record_is_absent_not_passed() -> None:
    run = agreeing()
    others = tuple(record for record in run.records if record.cell.clause != "P5")
    checklist = build_checklist(run.model_copy(update={"records": others}))
    timing = checklist.models[MODELS[0]]["hooks"].checks["timing"]
    assert (timing.outcome, timing.sentence) == (Outcome.ABSENT, "not measured")
    assert not checklist.passes


def test_a_run_without_records_does_not_pass() -> None:
    empty = agreeing()
    empty = empty.model_copy(update={"records": (), "plan": empty.plan.model_copy(update={"models": ()})})
    assert not build_checklist(empty).passes
