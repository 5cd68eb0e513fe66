"""Verdicts on runs with sweeps: their conclusion, their section, and what every view shows of it."""

from itertools import product

import pytest

from reports.tests.verdicts.sweep_runs import (
    BROKEN,
    IDLE,
    MODELS,
    PARTIAL,
    WORKING,
    crashed,
    grid,
    joined,
    layers,
    precisions,
    sizes,
    strengths,
    sweep_run,
    swept,
)
from reports.tests.verdicts.verdict_runs import ended, full_run, preflight_run
from reports.verdicts import Verdict, judge, matches
from reports.verdicts.sweeps.bands import Band
from reports.verdicts.sweeps.conclusions import conclude, still_possible
from reports.verdicts.sweeps.points import read_points
from reports.verdicts.sweeps.section import SweepSection
from steering_core.errors import ArtifactProblem
from steering_core.records.record import Cell, Outcome, Record, Run


def section_of(run: Run) -> SweepSection:
    """The section of its verdict."""
    section = judge(run).sweep
    assert section is not None
    return section


@pytest.mark.parametrize(
    ("models", "label", "tone"),
    [
        (("gemma9b",), "SWEEP: WORKS", "good"),
        (("gemma9b", "phi35mini"), "SWEEP: WORKS ON SOME", "open"),
        (("gemma9b", "mistral7b"), "SWEEP: WORKS ON SOME", "open"),
        (("phi35mini", "llama8b"), "SWEEP: PARTIAL", "open"),
        (("llama8b", "mistral7b"), "SWEEP: FAILS", "bad"),
    ],
)
def test_every_model_counts_by_its_best_condition(models: tuple[str, ...], label: str, tone: str) -> None:
    verdict = judge(swept(*models))
    assert (verdict.label, verdict.tone) == (label, tone)
    assert matches(verdict, label)
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


def test_headline_names_the_best_condition_with_its_interval_and_how_the_others_fail() -> None:
    table = {20: (0, 2), 40: PARTIAL, 60: WORKING, 80: BROKEN}
    assert judge(sweep_run(grid("gemma9b", table))).headline == (
        "gemma9b works at 6 of 30 conditions, best dim, block 24 (60 %), 10x: 9 of 10 coherent [59.6, 98.2] %, 0 garbled"
        ' (the interval reaches beyond "works"), not read by a person;'
        " works in part at 6, garbles at 6, garbles in part at 6, does nothing at 6"
    )


def test_best_condition_is_the_better_band_before_the_higher_rate() -> None:
    """35 % coherent and garbled otherwise is a breakdown; 25 % with normal answers otherwise works in part."""
    records = layers("a", {(40, 15, "dim"): (7, 13), (60, 15, "dim"): (5, 0)}, n=20)
    [model] = section_of(sweep_run(records)).models
    assert (model.best.depth, model.band) == (60, Band.PARTIAL)


def test_interval_counts_distinct_prompts_and_not_greedy_repeats() -> None:
    """10 of 10 distinct prompts asked 5 times each: [72.2, 100] and not the study's [92.9, 100]."""
    run = sweep_run(layers("a", {(60, 15, "dim"): (10, 0)}, prompt_repeats=5, low=0.929, high=1.0))
    section = section_of(run)
    assert section.models[0].best.low == pytest.approx(0.722, abs=5e-4)
    assert "[72.2, 100.0] %" in section.models[0].sentence
    assert any("10 distinct prompts" in note for note in section.notes)


@pytest.mark.parametrize(
    ("coherent", "garbled", "certain"),
    [
        (30, 0, True),
        (23, 0, False),
        (24, 0, True),
        (12, 0, True),
        (9, 0, False),
        (0, 0, True),
        (0, 30, True),
        (9, 21, False),
        (5, 25, True),
        (5, 15, False),
    ],
)
def test_a_band_is_certain_if_the_interval_lies_in_it(coherent: int, garbled: int, certain: bool) -> None:
    """Of 30: 23 is [59.1, 88.2], 24 is [62.7, 90.5], 12 is [24.6, 57.7], 9 is [16.7, 47.9], 5 is [7.3, 33.6]."""
    [condition] = section_of(sweep_run(layers("a", {(60, 15, "dim"): (coherent, garbled)}, n=30))).conditions
    assert condition.certain == certain


def test_both_tables_answers_are_noted_once_with_their_first_condition() -> None:
    notes = section_of(sweep_run(grid("a", {40: (3, 4), 60: (5, 3)}))).notes
    assert (
        "a, dim, block 16 (40 %), 10x and 5 more: the plan's first table says Partial, its second says Fails;"
        in " ".join(notes)
    )
    assert sum("has no row" in note for note in notes) == 1


def test_a_run_that_compares_tools_keeps_its_outcome_and_gains_a_section() -> None:
    run = joined(full_run(), sweep_run(grid("tiny_qwen2", {60: WORKING})))
    alone, both = judge(full_run()), judge(run)
    assert (alone.conclusion, both.conclusion) == ("OUTCOME_4", "OUTCOME_4")
    assert (alone.headline, alone.strength, alone.numbers) == (both.headline, both.strength, both.numbers)
    assert alone.sweep is None
    assert both.sweep is not None
    assert both.sweep.models[0].model == "tiny_qwen2"


def test_a_whole_preflight_beside_a_sweep_keeps_its_conclusion() -> None:
    run = joined(preflight_run(), sweep_run(grid("tiny_qwen2", {60: WORKING})))
    assert judge(run).conclusion == "PREFLIGHT_PASSED"
    failed = ended(run, "P1 tiny_qwen2 hooks", Outcome.DIFFERS)
    assert judge(failed).conclusion == "PREFLIGHT_FAILED"


def test_other_selected_checks_are_counted_or_fail_the_run() -> None:
    cell = Cell(clause="S1", model="tiny_qwen2", tool="hooks")
    steering = sweep_run([Record(cell=cell, outcome=Outcome.AGREES, sentence="holds")])
    run = joined(sweep_run(grid("tiny_qwen2", {60: WORKING})), steering)
    assert "; the one other selected check passes on tiny_qwen2" in judge(run).headline
    failed = ended(run, "S1 tiny_qwen2 hooks", Outcome.DIFFERS)
    assert judge(failed).conclusion == "SELECTED_CHECKS_FAILED"


@pytest.mark.parametrize(
    ("model", "possible"),
    [
        ("gemma9b", ("SWEEP_WORKS",)),
        ("phi35mini", ("SWEEP_WORKS", "SWEEP_PARTIAL")),
        ("llama8b", ("SWEEP_WORKS", "SWEEP_PARTIAL", "SWEEP_FAILS")),
    ],
)
def test_an_unfinished_sweep_says_what_it_can_still_conclude(model: str, possible: tuple[str, ...]) -> None:
    first, *rest = grid(model, {60: MODELS[model]})
    verdict = judge(sweep_run([crashed(first), *rest]))
    assert (verdict.conclusion, verdict.open_conclusions) == ("INCOMPLETE", possible)
    assert "the sweep is incomplete: crashed" in verdict.headline
    assert f"so far, {model} " in verdict.headline


def test_a_model_that_left_no_record_can_still_do_anything() -> None:
    run = sweep_run([*grid("gemma9b", WORKING), *map(crashed, grid("phi35mini", IDLE))])
    assert judge(run).open_conclusions == ("SWEEP_WORKS", "SWEEP_WORKS_ON_SOME")


def test_what_is_still_possible_is_what_completing_the_bands_can_give() -> None:
    """Every combination of two models' bands, with one, both or none of them unfinished."""
    made = {Band.WORKS: WORKING, Band.PARTIAL: PARTIAL, Band.FAILS: IDLE}
    place = (60, 15, "dim")
    for (one, other), unfinished in product(product(Band, Band), ([], ["a"], ["a", "b"])):
        section = section_of(sweep_run(layers("a", {place: made[one]}) + layers("b", {place: made[other]})))
        options = [
            list(Band)[: list(Band).index(band) + 1] if name in unfinished else [band]
            for name, band in (("a", one), ("b", other))
        ]
        assert set(still_possible(section, ["a", "b"], unfinished)) == {conclude(bands) for bands in product(*options)}


def test_random_weights_conclude_nothing_from_their_rates() -> None:
    records = grid("qwen7b", WORKING)
    marked = [r.model_copy(update={"provenance": {"origin": "random weights", "weights": "random:7"}}) for r in records]
    verdict = judge(sweep_run(marked, random_weights=True))
    assert (verdict.label, verdict.tone) == ("SWEEP: MEASURED", "open")
    assert verdict.headline.startswith("on random weights (qwen7b): ")
    assert verdict.sweep is not None
    assert verdict.sweep.decisions == verdict.sweep.curves == verdict.sweep.methods == ()
    assert "Run the sweep with trained weights" in verdict.action


def test_each_tool_has_its_own_row_and_the_better_one_counts_for_the_model() -> None:
    records = layers("a", {(60, 15, "dim"): IDLE}, tool="nnsight") + layers(
        "a", {(60, 15, "dim"): WORKING}, tool="pyvene"
    )
    run = sweep_run(records, tools=("nnsight", "pyvene"))
    assert [(row.tool, row.band) for row in section_of(run).models] == [("nnsight", "fails"), ("pyvene", "works")]
    assert judge(run).conclusion == "SWEEP_WORKS"


def test_every_kind_of_sweep_reaches_the_section() -> None:
    band = strengths("tiny_qwen2", "dim", {5: (0, 0, 10), 15: (9, 0, 10), 50: (0, 9, 10)})
    quantized = precisions("tiny_qwen2", {"full": (WORKING, 1.0), "nf4": (IDLE, 0.95)})
    section = section_of(sweep_run((*sizes("tiny_qwen2", 10**6, WORKING), band, *quantized)))
    assert section.strengths == ("W4 tiny_qwen2 dim: measured",)
    assert [row.precision for row in section.precisions] == ["nf4"]
    places = [place for effect in section.models[0].effects.values() for place in effect]
    assert sorted(places) == [
        "dim, block 24, 15x",
        "dim, block 24, 15x, nf4",
        "dim, block 24, 50x",
        "dim, block 24, 5x",
    ]


def test_validation_of_a_size_counts_as_conditions() -> None:
    [record] = sizes("a", 7, WORKING)
    counts = {"20": [0, 0, 10], "24": [9, 0, 1], "28": [0, 6, 4]}
    record = record.model_copy(update={"measured": {**record.measured, "validation": counts}})
    assert "works at 1 of 3 conditions" in section_of(sweep_run([record])).models[0].sentence


@pytest.mark.parametrize(
    ("measured", "code"),
    [
        ({"coherent": 9, "garbled": 2}, "impossible-counts"),
        ({"coherent": "9"}, "unreadable-sweep"),
        ({"unique": 0}, "unreadable-sweep"),
        ({"unique": 10**30}, "unreadable-sweep"),
        ({"depth": 10**30}, "unreadable-sweep"),
        ({"validation": {"4": [1, 2]}}, "unreadable-sweep"),
    ],
)
def test_impossible_numbers_are_refused(measured: dict[str, object], code: str) -> None:
    [record] = layers("a", {(60, 15, "dim"): WORKING})
    broken = record.model_copy(update={"measured": {**record.measured, **measured}})
    with pytest.raises(ArtifactProblem) as problem:
        judge(sweep_run([broken]))
    assert problem.value.code == code


def test_steering_that_was_found_wrong_is_no_result() -> None:
    (record,) = layers("gemma9b", {(60, 15, "dim"): WORKING})
    wrong = record.model_copy(update={"outcome": Outcome.DIFFERS})

    assert len(read_points([record])) == 1
    assert read_points([wrong]) == ()
