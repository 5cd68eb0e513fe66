"""The lines between agreeing, between and diverging: exact at each line, and every hole in words."""

from math import nextafter

import pytest

from reports.tests.verdicts.verdict_runs import MODELS, diverged, full_run, measured, rate
from reports.verdicts import Conclusion, ModelNumbers, judge
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
    [
        (nextafter(0.001, 0), "stable"),
        (0.001, "unstable"),
        (nextafter(0.001, 1), "unstable"),
    ],
)
def test_the_line_of_stability_is_exact(one_minus_cosine: float, band: str) -> None:
    verdict = judge(measured(full_run(), f"D1 {QWEN} pyvene", one_minus_cosine=one_minus_cosine))
    assert verdict.numbers[0].w is not None
    assert verdict.numbers[0].w.band == band
    assert verdict.conclusion is (Conclusion.OUTCOME_4 if band == "stable" else Conclusion.UNSTABLE)


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
def test_the_lines_of_the_direction_are_exact(one_minus_cosine: float, band: str) -> None:
    found = numbers(measured(full_run(), f"D2 {QWEN} nnsight~pyvene r4", one_minus_cosine=one_minus_cosine)).c
    assert found is not None
    assert (found.band, found.where, found.one_minus_cosine) == (band, "nnsight~pyvene, repeat 4", one_minus_cosine)
    assert [reach.holds for reach in found.reaches] == [band == "agrees", band == "diverges"]


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
def test_the_lines_of_the_behavior_are_exact(more: int, less: int, total: int, band: str) -> None:
    found = numbers(with_rates(more, less, total)).g
    assert found is not None
    assert found.band == band
    assert found.value == pytest.approx(100 * (more - less) / total)
    assert [reach.holds for reach in found.reaches] == [band == "agrees", band == "diverges"]


def test_distances_are_positive_short_of_a_line_and_negative_past_it() -> None:
    found = numbers(measured(with_rates(30, 27, 30), f"D2 {QWEN} * r0", one_minus_cosine=0.03))
    assert found.c is not None
    assert found.g is not None
    assert [reach.distance for reach in found.c.reaches] == pytest.approx([0.02, 0.02])
    assert [reach.distance for reach in found.g.reaches] == pytest.approx([5, 10])
    assert found.w is not None
    assert found.w.reaches[0].distance == -0.001


def test_the_gap_is_the_largest_over_arms_and_repeats_and_says_where() -> None:
    run = measured(full_run(), f"B1 {QWEN} nnsight reference r1", **rate(20))
    found = numbers(measured(run, f"B1 {QWEN} pyvene native r3", **rate(10)))
    assert found.g is not None
    assert found.g.where == "hooks~pyvene, native arm, repeat 3"
    assert found.g.value == pytest.approx(60)


def test_arms_and_repeats_are_not_compared_with_each_other() -> None:
    run = measured(full_run(), f"B1 {QWEN} * native r*", **rate(30))
    found = numbers(measured(run, f"B1 {QWEN} * reference r2", **rate(3)))
    assert found.g is not None
    assert found.g.value == 0


def test_the_worst_pair_and_the_worst_tool_count() -> None:
    run = measured(full_run(), f"D2 {QWEN} hooks~pyvene r2", one_minus_cosine=0.008)
    run = measured(run, f"D2 {QWEN} hooks~nnsight r1", one_minus_cosine=0.004)
    found = numbers(measured(run, f"D1 {QWEN} nnsight", one_minus_cosine=0.0004))
    assert found.c is not None
    assert found.w is not None
    assert (found.c.where, found.c.one_minus_cosine) == ("hooks~pyvene, repeat 2", 0.008)
    assert (found.w.where, found.w.one_minus_cosine) == ("nnsight", 0.0004)


HOLES: list[tuple[float, int, str]] = [
    (0.03, 28, "c = 0.970000"),
    (0.0, 25, "g = 10.0 pp"),
    (0.3, 28, "direction gap without a behavior gap"),
    (0.0, 3, "behavior gap without a direction gap"),
    (0.3, 25, "g = 10.0 pp"),
    (0.03, 3, "c = 0.970000"),
]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("one_minus_cosine", "coherent", "words"), HOLES)
def test_every_hole_is_outcome_3_with_the_quantity_named(
    model: str, one_minus_cosine: float, coherent: int, words: str
) -> None:
    run = measured(full_run(), f"D2 {model} hooks~pyvene r*", one_minus_cosine=one_minus_cosine)
    verdict = judge(measured(run, f"B1 {model} pyvene *", **rate(coherent)))
    assert verdict.conclusion is Conclusion.OUTCOME_3
    assert f"{model}: " in verdict.headline
    assert words in verdict.headline
    assert [len(found.holes) for found in verdict.numbers if found.model == model] == [1]
    relations = {found.model: found.relation for found in verdict.numbers}
    assert sorted(relations.values()) == ["agrees", "in a hole"]
    assert relations[model] == "in a hole"


def test_the_relation_of_a_model_is_named() -> None:
    verdict = judge(diverged(full_run(), QWEN))
    assert [found.relation for found in verdict.numbers] == ["diverges", "agrees"]
    assert [found.holes for found in verdict.numbers] == [(), ()]


def test_a_model_with_two_quantities_in_holes_lists_both() -> None:
    run = measured(with_rates(28, 25, 30), f"D2 {QWEN} * r0", one_minus_cosine=0.03)
    holes = numbers(run).holes
    assert [hole.split(" = ")[0] for hole in holes] == [f"{QWEN}: c", f"{QWEN}: g"]
    assert "5 pp short of agreeing, 10 pp short of diverging" in holes[1]


@pytest.mark.parametrize("change", [{"one_minus_cosine": 0.0}, {"one_minus_cosine": -1e-13}])
def test_a_model_that_agrees_has_no_holes_and_no_cosine_above_one(change: dict[str, Value]) -> None:
    found = numbers(measured(full_run(), "D2 *", **change))
    assert found.holes == ()
    assert found.c is not None
    assert found.c.value == 1.0


def test_the_thresholds_are_printed_with_the_verdict() -> None:
    assert sorted(judge(full_run()).thresholds.values()) == pytest.approx([0.95, 0.99, 0.999, 5, 20])
