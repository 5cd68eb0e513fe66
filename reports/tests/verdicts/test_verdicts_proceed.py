"""The recommended tool: evaluated for every conclusion, and given only when a sound tool can be locked in."""

import pytest

from reports.tests.verdicts.verdict_runs import (
    MODELS,
    added,
    diverged,
    ended,
    full_run,
    measured,
    plan,
    preflight_run,
    rate,
    without,
)
from reports.verdicts import judge
from steering_core.records.record import Cell, Outcome, Record, Run

QWEN, GEMMA = MODELS


def ungated(run: Run) -> Run:
    return plan(run, gated=False)


def test_passing_tool_with_the_highest_rate_is_recommended() -> None:
    verdict = judge(measured(full_run(), f"B1 {QWEN} nnsight native r0", **rate(29)))
    assert (verdict.proceed, verdict.proceed_tool, verdict.ties) == (True, "nnsight", ())
    assert "93.5 %" in verdict.proceed_reason


def test_rates_are_pooled_over_models_arms_and_repeats() -> None:
    run = measured(full_run(), f"B1 {QWEN} nnsight native r*", **rate(29))
    verdict = judge(measured(run, f"B1 {GEMMA} pyvene * r*", **rate(29)))
    assert verdict.proceed_tool == "pyvene"


def test_ties_are_listed_and_broken_by_registry_order() -> None:
    verdict = judge(measured(full_run(), f"B1 {QWEN} hooks native r0", **rate(27)))
    assert (verdict.proceed_tool, verdict.ties) == ("nnsight", ("nnsight", "pyvene"))
    assert "registry order" in verdict.tie_break


@pytest.mark.parametrize(
    ("run", "conclusion"),
    [
        (full_run(), "OUTCOME_4"),
        (diverged(full_run(), QWEN), "OUTCOME_2"),
        (diverged(diverged(full_run(), QWEN), GEMMA), "OUTCOME_1"),
    ],
)
def test_tool_is_recommended_beside_other_outcomes(run: Run, conclusion: str) -> None:
    verdict = judge(run)
    assert (verdict.conclusion, verdict.proceed, verdict.proceed_tool) == (conclusion, True, "hooks")


@pytest.mark.parametrize(
    ("run", "conclusion", "reason"),
    [
        (measured(full_run(), f"D1 {QWEN} hooks", one_minus_cosine=0.01), "UNSTABLE", "not stable"),
        (measured(full_run(), f"D1 {GEMMA} hooks", one_minus_cosine=0.01), "UNSTABLE", "not stable"),
        (ended(full_run(), f"P1 {QWEN} pyvene", Outcome.DIFFERS), "INVALID", "fixed first"),
        (without(full_run(), f"S1 {QWEN} pyvene"), "INCOMPLETE", "incomplete"),
        (preflight_run(), "PREFLIGHT_PASSED", "no behavior"),
        (ungated(ended(full_run(), f"B3 {QWEN}", Outcome.DIFFERS)), "OUTCOME_4", "have no meaning"),
        (ungated(ended(full_run(), f"P2 {QWEN} *", Outcome.DIFFERS)), "OUTCOME_4", "no tool passes"),
    ],
)
def test_no_recommendation_gives_its_reason(run: Run, conclusion: str, reason: str) -> None:
    verdict = judge(run)
    assert (verdict.conclusion, verdict.proceed, verdict.proceed_tool) == (conclusion, False, None)
    assert reason in verdict.proceed_reason


@pytest.mark.parametrize("model", MODELS)
def test_tool_that_fails_preflight_on_any_model_is_not_recommended(model: str) -> None:
    run = measured(full_run(), f"B1 {model} hooks native r0", **rate(30))
    verdict = judge(ungated(ended(run, f"P3 {model} hooks", Outcome.DIFFERS)))
    assert (verdict.proceed_tool, verdict.ties) == ("nnsight", ("nnsight", "pyvene"))


def test_failed_pair_is_charged_to_the_tool_that_also_fails_by_itself() -> None:
    run = ended(ungated(full_run()), f"P6 {QWEN} *~pyvene", Outcome.DIFFERS)
    verdict = judge(ended(run, f"P1 {QWEN} pyvene", Outcome.DIFFERS))
    assert verdict.numbers[0].passing == ("hooks", "nnsight")
    assert verdict.numbers[1].passing == ("hooks", "nnsight", "pyvene")
    assert verdict.proceed_tool == "hooks"


def test_failed_pair_is_charged_to_both_when_neither_fails_by_itself() -> None:
    verdict = judge(ungated(ended(full_run(), f"P6 {QWEN} hooks~pyvene", Outcome.DIFFERS)))
    assert verdict.numbers[0].passing == ("nnsight",)
    assert verdict.proceed_tool == "nnsight"


def test_failure_of_the_model_itself_leaves_no_tool_passing() -> None:
    ids = Record(cell=Cell(clause="P4", model=GEMMA), outcome=Outcome.DIFFERS, sentence="a double BOS")
    verdict = judge(ungated(added(full_run(), ids)))
    assert [entry.passing for entry in verdict.numbers] == [("hooks", "nnsight", "pyvene"), ()]
    assert not verdict.proceed


def test_tool_without_preflight_cells_does_not_pass() -> None:
    run = full_run()
    cells = tuple(cell for cell in run.plan.required if not (cell.clause.startswith("P") and "pyvene" in cell.id))
    verdict = judge(plan(without(run, "P? *pyvene*"), required=cells, planned=cells))
    assert verdict.numbers[0].passing == ("hooks", "nnsight")


def test_unmeasured_preflight_cell_is_not_a_pass() -> None:
    assert judge(without(full_run(), f"P4 {QWEN} nnsight")).numbers[0].passing == ("hooks", "pyvene")


@pytest.mark.parametrize("clause", ["S1", "S2", "S4"])
def test_tool_that_steers_wrongly_is_noted_and_not_recommended(clause: str) -> None:
    run = measured(full_run(), f"B1 {QWEN} pyvene native r0", **rate(30))
    run = ended(run, f"{clause} {GEMMA} pyvene", Outcome.DIFFERS, "differs from the reference at row 0, step 3")
    verdict = judge(run)
    assert verdict.conclusion == "OUTCOME_3"
    assert verdict.notes == (f"{clause} fails for pyvene on {GEMMA}: differs from the reference at row 0, step 3",)
    assert verdict.proceed_tool == "hooks"
    assert verdict.numbers[1].passing == ("hooks", "nnsight", "pyvene")
