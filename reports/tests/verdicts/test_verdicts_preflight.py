"""Runs without behavior: they say whether the preflight holds, and never an Outcome."""

import pytest

from reports.tests.verdicts.verdict_runs import MODELS, diverged, ended, full_run, plan, preflight_run, without
from reports.verdicts import Conclusion, judge
from steering_core.errors import EmptyMeasurement
from steering_core.records.record import Outcome, Run

QWEN, GEMMA = MODELS


def test_it_passes_on_one_model_and_never_gives_an_outcome() -> None:
    verdict = judge(preflight_run())
    assert verdict.conclusion is Conclusion.PREFLIGHT_PASSED
    assert verdict.headline == "all 18 preflight cells hold on tiny_qwen2 (hooks, nnsight, pyvene)"
    assert not verdict.proceed
    assert verdict.missing == ()


def test_a_part_of_it_says_what_was_left_out() -> None:
    run = without(preflight_run(MODELS), f"P? {GEMMA} *", "P[3-6] *", "P1 * pyvene", "P2 * pyvene")
    verdict = judge(plan(run, planned=tuple(record.cell for record in run.records)))
    assert verdict.conclusion is Conclusion.PREFLIGHT_PASSED
    assert verdict.headline == (
        "the 4 selected preflight cells, with 14 not selected, hold on tiny_qwen2 (hooks, nnsight)"
    )
    assert verdict.scope.models == (QWEN,)


def test_one_cell_that_differs_fails_it_even_when_others_are_missing() -> None:
    run = ended(preflight_run(), f"P1 {QWEN} pyvene", Outcome.DIFFERS, "one block off")
    verdict = judge(ended(run, f"P2 {QWEN} hooks", Outcome.ERRORED, "KeyError"))
    assert verdict.conclusion is Conclusion.PREFLIGHT_FAILED
    assert verdict.headline == "P1 location fails for pyvene on tiny_qwen2: one block off"
    assert len(verdict.missing) == 1


def test_several_failures_are_counted() -> None:
    verdict = judge(ended(preflight_run(), f"P1 {QWEN} *", Outcome.DIFFERS))
    assert verdict.headline.endswith("(and 2 more)")


@pytest.mark.parametrize("outcome", [Outcome.ERRORED, Outcome.ABSENT, Outcome.UNSUPPORTED])
def test_a_cell_without_a_measurement_neither_passes_nor_fails_it(outcome: Outcome) -> None:
    verdict = judge(ended(preflight_run(), f"P2 {QWEN} pyvene", outcome, "no such thing"))
    assert verdict.conclusion is Conclusion.INCOMPLETE
    assert "no such thing: P2 tiny_qwen2 pyvene" in verdict.headline


def test_an_interrupted_one_is_not_passed() -> None:
    verdict = judge(without(preflight_run(), f"P6 {QWEN} hooks~nnsight"))
    assert verdict.conclusion is Conclusion.INCOMPLETE
    assert "left no record: P6 tiny_qwen2 hooks~nnsight" in verdict.headline


@pytest.mark.parametrize("run", [full_run(), diverged(full_run(), QWEN)])
def test_random_weights_never_give_an_outcome(run: Run) -> None:
    assert judge(plan(run, random_weights=True)).conclusion is Conclusion.PREFLIGHT_PASSED


def test_the_premise_is_no_part_of_it() -> None:
    run = ended(plan(full_run(), random_weights=True), "B3 *", Outcome.DIFFERS)
    assert judge(run).conclusion is Conclusion.PREFLIGHT_PASSED


def test_directions_alone_conclude_nothing() -> None:
    run = without(full_run(), "[PSB]*")
    verdict = judge(plan(run, planned=tuple(record.cell for record in run.records)))
    assert verdict.conclusion is Conclusion.INCOMPLETE
    assert "neither a preflight check nor behavior" in verdict.headline


def test_an_empty_run_is_an_error() -> None:
    with pytest.raises(EmptyMeasurement, match="planned no check"):
        judge(plan(full_run(), planned=()))
