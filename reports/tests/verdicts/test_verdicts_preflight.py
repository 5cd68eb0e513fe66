"""Runs without behavior conclude whether the preflight holds, and never an Outcome."""

import pytest

from reports.tests.verdicts.verdict_runs import MODELS, diverged, ended, full_run, plan, preflight_run, without
from reports.verdicts import judge
from steering_core.errors import EmptyMeasurement
from steering_core.records.record import Outcome, Run

QWEN, GEMMA = MODELS


def test_preflight_passes_on_one_model_without_an_outcome() -> None:
    verdict = judge(preflight_run())
    assert verdict.conclusion == "PREFLIGHT_PASSED"
    assert verdict.headline == "all 18 preflight checks pass on tiny_qwen2 (hooks, nnsight, pyvene)"
    assert not verdict.proceed
    assert verdict.missing == ()


def test_partial_preflight_counts_unselected_checks() -> None:
    run = without(preflight_run(MODELS), f"P? {GEMMA} *", "P[3-6] *", "P1 * pyvene", "P2 * pyvene")
    verdict = judge(plan(run, planned=tuple(record.cell for record in run.records)))
    assert verdict.conclusion == "SELECTED_CHECKS_PASSED"
    assert verdict.headline == (
        "all 4 selected checks pass on tiny_qwen2 (hooks, nnsight); 32 preflight checks were not selected"
    )
    assert "not a passed preflight" in verdict.meaning
    assert verdict.scope.models == (QWEN,)


def test_one_failed_cell_fails_the_preflight_even_when_others_are_missing() -> None:
    run = ended(preflight_run(), f"P1 {QWEN} pyvene", Outcome.DIFFERS, "one block off")
    verdict = judge(ended(run, f"P2 {QWEN} hooks", Outcome.ERRORED, "KeyError"))
    assert verdict.conclusion == "PREFLIGHT_FAILED"
    assert verdict.headline == "P1 location fails for pyvene on tiny_qwen2: one block off"
    assert len(verdict.missing) == 1


def test_further_failures_are_counted() -> None:
    verdict = judge(ended(preflight_run(), f"P1 {QWEN} *", Outcome.DIFFERS))
    assert verdict.headline.endswith("(and 2 more)")


@pytest.mark.parametrize("outcome", [Outcome.ERRORED, Outcome.ABSENT, Outcome.UNSUPPORTED])
def test_unmeasured_cell_leaves_the_preflight_undecided(outcome: Outcome) -> None:
    verdict = judge(ended(preflight_run(), f"P2 {QWEN} pyvene", outcome, "no such thing"))
    assert verdict.conclusion == "INCOMPLETE"
    assert "no such thing: P2 tiny_qwen2 pyvene" in verdict.headline


def test_interrupted_preflight_does_not_pass() -> None:
    verdict = judge(without(preflight_run(), f"P6 {QWEN} hooks~nnsight"))
    assert verdict.conclusion == "INCOMPLETE"
    assert "not finished: P6 tiny_qwen2 hooks~nnsight" in verdict.headline


@pytest.mark.parametrize("run", [full_run(), diverged(full_run(), QWEN)])
def test_random_weights_never_give_an_outcome(run: Run) -> None:
    assert judge(plan(run, random_weights=True)).conclusion == "PREFLIGHT_PASSED"


def test_premise_does_not_count_in_a_preflight_run() -> None:
    run = ended(plan(full_run(), random_weights=True), "B3 *", Outcome.DIFFERS)
    assert judge(run).conclusion == "PREFLIGHT_PASSED"


def selected(run: Run) -> Run:
    """The run whose selection is what it recorded."""
    return plan(run, planned=tuple(record.cell for record in run.records))


def test_one_check_left_out_is_not_a_passed_preflight() -> None:
    run = selected(without(preflight_run(), f"P6 {QWEN} hooks~nnsight"))
    assert judge(run).conclusion == "SELECTED_CHECKS_PASSED"


def test_preflight_of_one_of_two_selected_models_is_not_a_passed_preflight() -> None:
    assert judge(selected(without(preflight_run(MODELS), f"P? {GEMMA} *"))).conclusion == "SELECTED_CHECKS_PASSED"


def test_selection_without_preflight_passes_only_as_selected_checks() -> None:
    verdict = judge(selected(without(full_run(), "[PSB]*")))
    assert verdict.conclusion == "SELECTED_CHECKS_PASSED"
    assert verdict.headline.startswith(
        "all 38 selected checks pass on tiny_qwen2, tiny_gemma2 (hooks, nnsight, pyvene)"
    )


def test_selected_check_outside_the_preflight_fails_the_selection() -> None:
    run = selected(without(full_run(), "[PDB]*"))
    verdict = judge(ended(run, f"S4 {QWEN} pyvene", Outcome.DIFFERS, "first difference at token 3"))
    assert verdict.conclusion == "SELECTED_CHECKS_FAILED"
    assert verdict.headline == f"S4 {QWEN} pyvene fails: first difference at token 3"


def test_failed_preflight_check_of_a_selection_fails_the_preflight() -> None:
    run = selected(without(full_run(), "[DB]*", "P[2-6]*"))
    assert judge(ended(run, f"P1 {QWEN} pyvene", Outcome.DIFFERS)).conclusion == "PREFLIGHT_FAILED"


def test_passed_preflight_names_other_checks_that_do_not_hold() -> None:
    run = ended(plan(full_run(), random_weights=True), f"S4 {QWEN} *", Outcome.DIFFERS)
    verdict = judge(run)
    assert verdict.conclusion == "PREFLIGHT_PASSED"
    assert verdict.headline.endswith(f"; other checks do not hold: S4 {QWEN} hooks (and 2 more)")


def test_undecided_preflight_lists_both_ends() -> None:
    verdict = judge(without(preflight_run(), f"P6 {QWEN} hooks~nnsight"))
    assert verdict.open_conclusions == ("PREFLIGHT_FAILED", "PREFLIGHT_PASSED")
    assert "PREFLIGHT FAILED or PREFLIGHT PASSED" in verdict.action


def test_empty_run_is_an_error() -> None:
    with pytest.raises(EmptyMeasurement, match="planned no check"):
        judge(plan(full_run(), planned=()))
