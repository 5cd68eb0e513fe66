"""INCOMPLETE says which conclusions the missing cells can still lead to."""

import pytest

from reports.tests.verdicts.verdict_runs import MODELS, diverged, ended, full_run, measured, plan, without
from reports.verdicts import judge
from steering_core.records.record import Outcome, Run

QWEN, GEMMA = MODELS
EVERY_OUTCOME = ("OUTCOME_1", "OUTCOME_2", "OUTCOME_4", "OUTCOME_3")
DIVERGING = diverged(full_run(), QWEN)


@pytest.mark.parametrize(
    ("run", "conclusions"),
    [
        (without(full_run(), f"D3 {QWEN}"), ("OUTCOME_4",)),
        (without(full_run(), f"P1 {QWEN} pyvene"), ("INVALID", "OUTCOME_4")),
        (without(full_run(), f"B3 {QWEN}"), ("INVALID", "OUTCOME_4")),
        (without(full_run(), f"D1 {QWEN} pyvene"), ("UNSTABLE", "OUTCOME_4")),
        (without(full_run(), f"B1 {QWEN} pyvene native r4"), ("OUTCOME_4", "OUTCOME_3")),
        (without(full_run(), f"D2 {QWEN} * r4", f"B1 {QWEN} * r4"), ("OUTCOME_2", "OUTCOME_4", "OUTCOME_3")),
        (without(DIVERGING, f"D2 {GEMMA} *"), ("OUTCOME_2", "OUTCOME_3")),
        (without(DIVERGING, f"D2 {GEMMA} *", f"B1 {GEMMA} *"), ("OUTCOME_1", "OUTCOME_2", "OUTCOME_3")),
        (without(full_run((QWEN,)), f"D2 {QWEN} * r4"), ("ONE_MODEL_AGREES", "ONE_MODEL_BETWEEN")),
        (without(full_run(), "[DB][12] *"), ("UNSTABLE", *EVERY_OUTCOME)),
        (full_run(tools=("hooks",)), ("UNSTABLE", *EVERY_OUTCOME)),
        (measured(full_run(repeats=4), "D1 *", repeats=4), ("UNSTABLE", *EVERY_OUTCOME)),
        (without(measured(full_run(), f"D1 {QWEN} hooks", one_minus_cosine=0.1), f"D3 {QWEN}"), ("UNSTABLE",)),
    ],
)
def test_missing_cells_lead_to_these_conclusions_and_no_others(run: Run, conclusions: tuple[str, ...]) -> None:
    verdict = judge(run)
    assert verdict.conclusion == "INCOMPLETE"
    assert verdict.open_conclusions == conclusions
    assert all(name.replace("_", " ").replace("MODEL ", "MODEL: ") in verdict.action for name in conclusions)


def test_numbers_that_no_rule_covers_end_in_indeterminate_only_if_no_tool_can_be_recommended() -> None:
    wide = measured(full_run(), f"D2 {QWEN} * r0", one_minus_cosine=0.03)
    assert judge(without(wide, f"S1 {QWEN} *")).open_conclusions == ("OUTCOME_3", "INDETERMINATE")
    assert judge(without(wide, f"S1 {QWEN} hooks")).open_conclusions == ("OUTCOME_3",)
    none = ended(plan(wide, gated=False), f"P2 {QWEN} *", Outcome.DIFFERS)
    assert judge(without(none, f"D3 {QWEN}")).open_conclusions == ("INDETERMINATE",)


def test_twelve_models_are_weighed_at_once() -> None:
    names = tuple(f"model{number}" for number in range(12))
    verdict = judge(without(full_run(names), "D2 *", "B1 *"))
    assert verdict.open_conclusions == EVERY_OUTCOME


def test_concluded_run_leaves_nothing_open() -> None:
    assert judge(full_run()).open_conclusions == ()
