"""Expected seconds per cell: from the table until something is measured, then the measured mean."""

import pytest

from reports.budget.estimate import (
    CPU,
    LEAST,
    LOAD_SECONDS,
    LOAD_SECONDS_PER_GB,
    SECONDS,
    SMALLEST,
    CellKind,
    Estimate,
    duration,
    kind_of,
    table,
)
from steering_core.records.clauses import CLAUSES
from steering_core.records.record import Cell, Outcome, Plan, Record

MODELS = ("qwen7b", "qwen32b", "tiny_qwen2", "unknown")


PLAN = Plan(models=MODELS, tools=("hooks",), repeats=5, preset="phase1")


def estimate(preset: str = "phase1", gpu: bool = True) -> Estimate:
    return Estimate(PLAN.model_copy(update={"preset": preset}), gpu)


def took(seconds: float, clause: str = "B1", model: str = "qwen7b", **more: object) -> Record:
    return Record(
        cell=Cell(clause=clause, model=model, tool="hooks"), outcome=Outcome.AGREES, wall_seconds=seconds
    ).model_copy(update=more)


def test_every_clause_has_a_prior() -> None:
    assert set(SECONDS) <= set(CLAUSES)
    assert min(table(clause) for clause in CLAUSES) > 0
    assert table("B1") > table("S1") > table("P1")


def test_the_prior_is_the_table_times_size_tokens_and_machine() -> None:
    on_gpu, on_cpu, short = estimate(), estimate(gpu=False), estimate(preset="as_run")
    kind = CellKind("qwen7b", "B1", "native")

    assert on_gpu.seconds(kind) == SECONDS["B1"]
    assert on_gpu.seconds(kind._replace(model="qwen32b")) == pytest.approx(SECONDS["B1"] * 64 / 14)
    assert on_gpu.seconds(kind._replace(model="unknown")) == SECONDS["B1"]
    assert on_cpu.seconds(kind) == SECONDS["B1"] * CPU
    assert on_cpu.seconds(kind._replace(model="tiny_qwen2")) == pytest.approx(SECONDS["B1"] * SMALLEST)
    assert short.seconds(kind) == pytest.approx(SECONDS["B1"] * 100 / 256)
    assert short.seconds(kind._replace(clause="P1")) == table("P1")


def test_the_mean_without_the_loading_cell_replaces_the_prior() -> None:
    times = estimate()
    for seconds in (900.0, 20.0, 40.0):
        times.observe(took(seconds))

    assert times.seconds(kind_of(took(0).cell)) == 30.0


def test_other_kinds_are_scaled_by_the_median_ratio() -> None:
    times = estimate()
    for factor in (70, 2, 2, 100):
        times.observe(took(factor * SECONDS["B1"]))

    assert times.seconds(CellKind("qwen7b", "S4", None)) == 2 * SECONDS["S4"]


def test_kinds_of_one_clause_are_scaled_by_their_own_ratio() -> None:
    """What random programs took with the first model tells what they take with the next."""
    times = estimate()
    for clause, factor in (("P1", 1), ("P1", 2), ("P1", 2), ("P13", 3), ("B1", 5)):
        times.observe(took(factor * times.prior(CellKind("qwen7b", clause, None)), clause))

    assert times.seconds(CellKind("tiny_qwen2", "P13", None)) == pytest.approx(30.0)
    assert times.seconds(CellKind("tiny_qwen2", "P2", None)) == pytest.approx(2.5 * SMALLEST)


def test_one_slow_cell_does_not_multiply_all_others() -> None:
    """The first cell of a tool takes seconds where the table says 1/50 s, because it also starts the tool's process."""
    times = estimate()
    programs, location = CellKind("tiny_qwen2", "P13", None), CellKind("tiny_qwen2", "P1", None)
    for count, seconds in enumerate((2.0, 2.0, 2.0, 2.0)):
        assert times.seconds(programs) == LEAST["P13"]
        assert times.seconds(location) == pytest.approx(SMALLEST), f"after {count} cells"
        times.observe(took(seconds, "P0", "tiny_qwen2"))

    assert times.seconds(programs) == LEAST["P13"], "a time that no model's size enters"
    assert times.seconds(location) == pytest.approx(2.0)


def test_a_small_model_is_no_slower_on_a_cpu() -> None:
    small, large = Estimate(PLAN, False, {"unknown": 0.002}), Estimate(PLAN, False, {"unknown": 1.4})
    kind = CellKind("unknown", "P1", None)

    assert small.seconds(kind) == table("P1") * SMALLEST
    assert large.seconds(kind) == pytest.approx(table("P1") * CPU / 10)


def test_a_cell_that_did_not_run_changes_no_estimate() -> None:
    times = estimate()
    for _ in range(2):
        times.observe(took(0.0, outcome=Outcome.ABSENT))

    assert times.seconds(kind_of(took(0).cell)) == SECONDS["B1"]
    assert not times.loaded


def test_a_total_includes_loading_each_model_not_loaded_yet() -> None:
    times, cells = estimate(), [took(0).cell, took(0, clause="P1").cell]

    loading = LOAD_SECONDS + LOAD_SECONDS_PER_GB * 14
    assert times.total(cells) == SECONDS["B1"] + table("P1") + loading
    times.observe(took(SECONDS["B1"]))
    assert times.total(cells) == SECONDS["B1"] + table("P1")
    assert times.total([]) == 0


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (40, "40 s"), (840, "14 min"), (7500, "2 h 5 min"), (3590, "1 h 0 min")]
)
def test_durations_are_formatted_in_one_or_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text
