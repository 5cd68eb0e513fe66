"""Declared deviations: a failure that a tool is known for closes no gate, is noted, and never reads as a pass."""

import pytest

from reports.tests.verdicts.verdict_runs import MODELS, blocked, ended, full_run, plan, preflight_run
from reports.verdicts import Conclusion, judge
from steering_core.records.record import Outcome, Run

QWEN, GEMMA = MODELS
NOTE = f"declared deviation, P2 of hooks on {QWEN}: it squeezes the batch"


def declared(run: Run, cell: str) -> Run:
    """The run in which this cell differs as its tool is declared to."""
    return ended(run, cell, Outcome.DIFFERS, measured={"declared_deviation": "it squeezes the batch"})


def test_it_does_not_invalidate_and_is_noted() -> None:
    verdict = judge(declared(full_run(), f"P2 {QWEN} hooks"))
    assert verdict.conclusion is Conclusion.OUTCOME_4
    assert verdict.likely_cause is None
    assert verdict.notes == (NOTE,)


def test_one_deviation_on_two_models_is_one_note() -> None:
    verdict = judge(declared(declared(full_run(), f"P2 {QWEN} hooks"), f"P2 {GEMMA} hooks"))
    assert verdict.notes == (NOTE.replace(QWEN, f"{QWEN}, {GEMMA}"),)


@pytest.mark.parametrize("run", [full_run(), preflight_run()])
def test_the_same_failure_undeclared_does_invalidate(run: Run) -> None:
    verdict = judge(ended(run, f"P2 {QWEN} hooks", Outcome.DIFFERS))
    assert verdict.conclusion in (Conclusion.INVALID, Conclusion.PREFLIGHT_FAILED)


def test_a_crash_cannot_be_declared() -> None:
    run = ended(full_run(), f"P2 {QWEN} hooks", Outcome.ERRORED, measured={"declared_deviation": "it squeezes"})
    assert judge(run).conclusion is Conclusion.INCOMPLETE


def test_a_preflight_that_passes_with_one_says_so() -> None:
    verdict = judge(declared(preflight_run(), f"P2 {QWEN} hooks"))
    assert verdict.conclusion is Conclusion.PREFLIGHT_PASSED
    assert verdict.headline.startswith("all 18 preflight cells but 1 declared deviations hold on tiny_qwen2")
    assert verdict.notes == (NOTE,)


def test_it_holds_nothing_back() -> None:
    run = blocked(declared(full_run(), f"P2 {QWEN} hooks"), f"D1 {QWEN} hooks", by=f"P2 {QWEN} hooks")
    verdict = judge(run)
    assert verdict.conclusion is Conclusion.INCOMPLETE
    assert verdict.missing[0].startswith("held back, though no failed check explains it")


def test_a_tool_that_goes_on_with_one_says_so() -> None:
    verdict = judge(declared(full_run(), f"P2 {QWEN} hooks"))
    assert verdict.proceed_tool == "hooks"
    assert "every preflight check but its declared deviations on every model" in verdict.proceed_reason
    others = judge(declared(full_run(), f"P2 {QWEN} pyvene"))
    assert others.proceed_tool == "hooks"
    assert "declared" not in others.proceed_reason


@pytest.mark.parametrize("gated", [True, False])
def test_one_in_steering_is_noted_once_and_its_tool_is_not_chosen(gated: bool) -> None:
    verdict = judge(plan(declared(full_run(), f"S4 {GEMMA} hooks"), gated=gated))
    assert verdict.notes == (f"declared deviation, S4 of hooks on {GEMMA}: it squeezes the batch",)
    assert verdict.proceed_tool == "nnsight"
