"""Agreeing, between thresholds, diverging: exact at each threshold, and described in words."""

from math import nextafter

import pytest

from reports.tests.verdicts.verdict_runs import MODELS, diverged, full_run, measured, rate
from reports.verdicts import ModelNumbers, judge
from steering_core.records.record import Run, Value

QWEN, GEMMA = MODELS


def numbers(run: Run) -> ModelNumbers:
    return judge(run).numbers[0]


def with_rates(more: int, less: int, total: int) -> Run:
    """hooks and nnsight at `more`, pyvene at `less` coherent answers of `total`."""
    run = measured(full_run(), f"B1 {QWEN} *", **rate(more, total))
    return measured(run, f"B1 {QWEN} pyvene *", **rate(less, total))


@pytest.mark.parametrize(
    ("one_minus_cosine", "band"),
    [(nextafter(0.001, 0), "stable"), (0.001, "unstable"), (nextafter(0.001, 1), "unstable")],
)
def test_stability_threshold_is_exact(one_minus_cosine: float, band: str) -> None:
    verdict = judge(measured(full_run(), f"D1 {QWEN} pyvene", one_minus_cosine=one_minus_cosine))
    within = verdict.numbers[0].within_cosine
    assert within is not None
    assert within.band == band
    assert verdict.conclusion == ("OUTCOME_4" if band == "stable" else "UNSTABLE")


@pytest.mark.parametrize(
    ("one_minus_cosine", "band"),
    [
        (nextafter(0.01, 0), "agrees"),
        (0.01, "between"),
        (0.05, "between"),
        (nextafter(0.05, 1), "diverges"),
        (1.5, "diverges"),
    ],
)
def test_cosine_thresholds_are_exact(one_minus_cosine: float, band: str) -> None:
    run = measured(full_run(), f"D2 {QWEN} nnsight~pyvene r4", one_minus_cosine=one_minus_cosine)
    cross = numbers(run).cross_cosine
    assert cross is not None
    assert (cross.band, cross.where, cross.one_minus_cosine) == (band, "nnsight~pyvene, repeat 4", one_minus_cosine)
    assert [reach.holds for reach in cross.reaches] == [band == "agrees", band == "diverges"]


@pytest.mark.parametrize(
    ("more", "less", "total", "band"),
    [
        (20, 19, 20, "agrees"),  # 5 pp
        (60, 57, 60, "agrees"),  # 5 pp
        (1000, 949, 1000, "between"),  # 5.1 pp
        (30, 28, 30, "between"),  # 6.7 pp: two prompts
        (29, 23, 30, "between"),  # 20 pp, though 2900/30 - 2300/30 is not 20 in floating point
        (30, 24, 30, "between"),  # 20 pp
        (1000, 799, 1000, "diverges"),  # 20.1 pp
        (30, 23, 30, "diverges"),  # 23.3 pp: seven prompts
    ],
)
def test_rate_gap_thresholds_are_exact(more: int, less: int, total: int, band: str) -> None:
    gap = numbers(with_rates(more, less, total)).rate_gap_pp
    assert gap is not None
    assert gap.band == band
    assert gap.value == pytest.approx(100 * (more - less) / total)
    assert [reach.holds for reach in gap.reaches] == [band == "agrees", band == "diverges"]


def test_distances_are_positive_short_of_a_threshold_and_negative_past_it() -> None:
    model = numbers(measured(with_rates(30, 27, 30), f"D2 {QWEN} * r0", one_minus_cosine=0.03))
    assert model.cross_cosine is not None
    assert model.rate_gap_pp is not None
    assert [reach.distance for reach in model.cross_cosine.reaches] == pytest.approx([0.02, 0.02])
    assert [reach.distance for reach in model.rate_gap_pp.reaches] == pytest.approx([5, 10])
    assert model.within_cosine is not None
    assert model.within_cosine.reaches[0].distance == -0.001


def test_each_distance_names_its_rule() -> None:
    model = numbers(full_run())
    quantities = [model.within_cosine, model.cross_cosine, model.rate_gap_pp]
    assert [[reach.rule for reach in quantity.reaches] for quantity in quantities if quantity] == [
        ["stable: within-tool cosine > 0.999"],
        ["agrees: cross-tool cosine > 0.99", "diverges: cross-tool cosine < 0.95"],
        ["agrees: coherent-rate gap ≤ 5 pp", "diverges: coherent-rate gap > 20 pp"],
    ]


def test_rate_gap_is_the_largest_over_arms_and_repeats_and_names_its_place() -> None:
    run = measured(full_run(), f"B1 {QWEN} nnsight reference r1", **rate(20))
    gap = numbers(measured(run, f"B1 {QWEN} pyvene native r3", **rate(10))).rate_gap_pp
    assert gap is not None
    assert gap.where == "hooks~pyvene, native arm, repeat 3"
    assert gap.value == pytest.approx(60)


def test_rate_gap_never_compares_different_arms_or_repeats() -> None:
    run = measured(full_run(), f"B1 {QWEN} * native r*", **rate(30))
    gap = numbers(measured(run, f"B1 {QWEN} * reference r2", **rate(3))).rate_gap_pp
    assert gap is not None
    assert gap.value == 0


def test_cosines_are_those_of_the_worst_pair_and_the_worst_tool() -> None:
    run = measured(full_run(), f"D2 {QWEN} hooks~pyvene r2", one_minus_cosine=0.008)
    run = measured(run, f"D2 {QWEN} hooks~nnsight r1", one_minus_cosine=0.004)
    model = numbers(measured(run, f"D1 {QWEN} nnsight", one_minus_cosine=0.0004))
    cross, within = model.cross_cosine, model.within_cosine
    assert cross is not None
    assert within is not None
    assert (cross.where, cross.one_minus_cosine) == ("hooks~pyvene, repeat 2", 0.008)
    assert (within.where, within.one_minus_cosine) == ("nnsight", 0.0004)


BETWEEN: list[tuple[float, int, str]] = [
    (0.03, 28, "cross-tool cosine = 0.970000"),
    (0.0, 25, "coherent-rate gap = 10.0 pp"),
    (0.3, 28, "direction gap without a behavior gap"),
    (0.0, 3, "behavior gap without a direction gap"),
    (0.3, 25, "coherent-rate gap = 10.0 pp"),
    (0.03, 3, "cross-tool cosine = 0.970000"),
]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("one_minus_cosine", "coherent", "words"), BETWEEN)
def test_numbers_between_thresholds_give_outcome_3_which_names_the_quantity(
    model: str, one_minus_cosine: float, coherent: int, words: str
) -> None:
    run = measured(full_run(), f"D2 {model} hooks~pyvene r*", one_minus_cosine=one_minus_cosine)
    verdict = judge(measured(run, f"B1 {model} pyvene *", **rate(coherent)))
    assert verdict.conclusion == "OUTCOME_3"
    assert f"{model}: " in verdict.headline
    assert words in verdict.headline
    assert [len(entry.between_thresholds) for entry in verdict.numbers if entry.model == model] == [1]
    relations = {entry.model: entry.relation for entry in verdict.numbers}
    assert sorted(relations.values()) == ["agrees", "between thresholds"]
    assert relations[model] == "between thresholds"


def test_relation_is_agrees_or_diverges_when_both_numbers_say_so() -> None:
    verdict = judge(diverged(full_run(), QWEN))
    assert [entry.relation for entry in verdict.numbers] == ["diverges", "agrees"]
    assert [entry.between_thresholds for entry in verdict.numbers] == [(), ()]


def test_two_quantities_between_thresholds_are_both_listed() -> None:
    run = measured(with_rates(28, 25, 30), f"D2 {QWEN} * r0", one_minus_cosine=0.03)
    between = numbers(run).between_thresholds
    names = [text.split(" = ")[0] for text in between]
    assert names == [f"{QWEN}: cross-tool cosine", f"{QWEN}: coherent-rate gap"]
    assert "5 pp short of agreeing, 10 pp short of diverging" in between[1]


@pytest.mark.parametrize("change", [{"one_minus_cosine": 0.0}, {"one_minus_cosine": -1e-13}])
def test_agreeing_model_has_nothing_between_thresholds_and_no_cosine_above_one(change: dict[str, Value]) -> None:
    model = numbers(measured(full_run(), "D2 *", **change))
    assert model.between_thresholds == ()
    assert model.cross_cosine is not None
    assert model.cross_cosine.value == 1.0


def test_verdict_carries_its_thresholds() -> None:
    assert sorted(judge(full_run()).thresholds.values()) == pytest.approx([0.95, 0.99, 0.999, 5, 20])
