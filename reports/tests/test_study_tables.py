"""Published tables of conditions: this suite's bands against the study's labels, row by row, with every difference."""

import json
from pathlib import Path
from typing import Any

import pytest

from reports.__main__ import main
from reports.inputs import read_inputs
from reports.rejudge import JudgedRun, judge_inputs
from reports.study.tables import Label
from reports.tests.study_like import put
from steering_core.errors import ArtifactProblem
from steering_core.places import ROOT

TABLES = ROOT / "reports" / "study" / "tables"
NOT_JUDGED = {
    ("layers_gemma", "gemma2b dim, block 15 (60 %), 25x"),
    ("layers_gemma", "gemma9b dim, block 21 (50 %), 15x"),
    ("self_phase2", "qwen32b dim, block 32 (50 %), 10x"),
}
"""From 20 to 40 % coherent with an unpublished garbled rate: Partial, or Fails by breaking down."""


def judged(name: str) -> JudgedRun:
    """One of the tables."""
    [run] = judge_inputs(read_inputs([TABLES / f"{name}.json"]))
    return run


def labels() -> list[tuple[str, Label]]:
    """Every row of every table."""
    return [(run.place.removesuffix(".json"), row) for run in judge_inputs(read_inputs([TABLES])) for row in run.labels]


def test_every_row_has_the_studys_label_but_those_that_need_an_unpublished_rate() -> None:
    rows = labels()
    assert len(rows) == 12 + 14 + 4 + 8 + 6 + 3 + 11
    assert {(table, row.place) for table, row in rows if not row.same} == NOT_JUDGED
    assert all(row.ours is None and "not published" in row.why for table, row in rows if not row.same)


def test_rows_that_another_ten_prompts_could_move_say_so() -> None:
    """32B at its best layer: 60 % is 6 of 10 distinct prompts, which is anything from 31 to 83 %."""
    rows = {(table, row.place): row for table, row in labels()}
    best = rows["layers_qwen", "qwen32b dim, block 32 (50 %), 15x"]
    sure = rows["layers_qwen", "qwen7b dim, block 16 (60 %), 15x"]
    assert (best.rates, best.why) == ("6/10 [31, 83] %, garbled 0", "few prompts: the interval reaches beyond Works")
    assert (sure.rates, sure.why) == ("30/30 [89, 100] %, garbled 0", "")


def test_the_row_that_contradicts_the_plans_second_table_says_so() -> None:
    """14B at 17.5x: 40 % coherent and 60 % garbled; partial for the study, no row of the second table."""
    [row] = [row for _, row in labels() if row.place == "qwen14b dim, block 24 (50 %), 17.5x"]
    assert (row.study, row.ours) == ("partial", "partial")
    assert row.why == "the plan's first table says Partial, its second has no row for these rates"


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("layers_qwen", "SWEEP: WORKS"),
        ("layers_gemma", "SWEEP: WORKS ON SOME"),
        ("sizes_qwen", "SWEEP: WORKS"),
        ("methods", "SWEEP: WORKS"),
        ("precisions", "SWEEP: WORKS"),
        ("strengths_qwen32b", "SWEEP: WORKS"),
        ("self_phase2", "SWEEP: WORKS"),
    ],
)
def test_each_table_has_a_verdict(name: str, label: str) -> None:
    run = judged(name)
    assert run.verdict.label == label
    assert run.verdict.missing == ()
    assert any("use class" in note for note in run.verdict.notes)
    assert max(map(len, run.show(80, color=False).splitlines())) <= 80


def test_models_that_the_study_calls_unsteerable_fail_by_garbling() -> None:
    sweep = judged("layers_gemma").verdict.sweep
    assert sweep is not None
    effects = {row.model: set(row.effects) for row in sweep.models}
    assert effects["gemma27b"] == effects["mistral7b"] == {"garbles"}
    assert effects["gemma2b"] == {"works"}


def test_the_size_curve_of_the_study_is_not_settled_by_its_prompts() -> None:
    """The plan's hypothesis was a peak; the rates fall, and 10 distinct prompts leave other shapes open."""
    sweep = judged("sizes_qwen").verdict.sweep
    assert sweep is not None
    [curve] = sweep.curves
    assert curve.points == {"qwen3b": (10, 10), "qwen7b": (30, 30), "qwen14b": (9, 10), "qwen32b": (6, 10)}
    assert (curve.observed, curve.shape) == ("decreasing", None)
    decisions = {step.rule: step for step in sweep.decisions}
    assert {each.model for each in decisions["precisions_next"].conditions} == {"qwen3b", "qwen7b", "qwen32b"}
    assert decisions["dropped_models"].action == "Leave it out"


def test_no_precision_differs_beyond_chance() -> None:
    """76.7 against 56.7 % of 30 is p = .17, not the p = .11 of the paper; every cosine is above 0.90."""
    sweep = judged("precisions").verdict.sweep
    assert sweep is not None
    nf4 = next(row for row in sweep.precisions if (row.model, row.precision) == ("qwen32b", "nf4"))
    assert nf4.p == pytest.approx(2 * 0.1711, abs=0.01), "corrected for the two precisions of the model"
    assert not any(row.sensitive for row in sweep.precisions)


def test_choices_that_differ_from_the_studys_are_explained() -> None:
    said = [*judged("layers_qwen").choices, *judged("layers_gemma").choices, *judged("self_phase2").choices]
    different = [text for text in said if "both choose" not in text]
    assert different == [
        "qwen14b: the study chooses dim, block 24 (50 %), 15x, this suite dim, block 28 (60 %), 15x: "
        "as many coherent answers and fewer garbled ones",
        "gemma9b: the study chooses dim, block 16 (40 %), 25x, this suite dim, block 12 (30 %), 25x: "
        "equal rates, of which it takes the first",
    ]
    assert len(said) == 4 + 2 + 2


def test_command_prints_labels_and_takes_an_expected_outcome(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["verdict", str(TABLES / "layers_qwen.json"), "--expect-outcome", "sweep works"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("SWEEP: WORKS (replayed): steering works on qwen3b, qwen7b, qwen14b, qwen32b\n")
    assert "labels: 12 of 12 as in the study, 0 not judged, 0 different" in out


def test_a_row_with_another_label_is_counted_as_different(tmp_path: Path) -> None:
    value = json.loads((TABLES / "layers_qwen.json").read_text())
    [run] = judge_inputs(read(tmp_path, put(value, ("rows", 0, "label"), "failure")))
    assert "labels: 11 of 12 as in the study, 0 not judged, 1 different" in run.show(100, color=False)


def read(folder: Path, value: Any) -> Any:
    """A table from a file."""
    (folder / "table.json").write_text(json.dumps(value))
    return read_inputs([folder / "table.json"])


@pytest.mark.parametrize(
    ("path", "new", "sentence"),
    [
        (("rows", 0, "coherent_rate"), 85.0, "row 0: coherent_rate 85 of 10 distinct prompts is no whole number"),
        (("rows", 0, "garbled_rate"), 40.0, "row 0: 80 % coherent and 40 % garbled"),
        (("rows", 0, "distinct"), 40, "row 0: 50 answers of 40 distinct prompts"),
        (("rows", 0, "layer"), 19, "row 0: block 19 of qwen3b is not at 50 % of its 36 blocks"),
        (("rows", 0, "model"), "qwen4b", "row 0: unknown model qwen4b"),
        (("rows", 1, "layer"), 18, "row 1: block 18 of qwen3b is not at 60 %"),
        (("rows", 0, "label"), "great", "field rows.0.label"),
        (("rows", 0, "method"), "arditi", "field rows.0.method"),
        (("rows", 0, "extra"), 1, "field rows.0.extra"),
        (("rows",), [], "field rows"),
    ],
)
def test_broken_tables_are_refused_with_the_row(
    path: tuple[str | int, ...], new: Any, sentence: str, tmp_path: Path
) -> None:
    value = json.loads((TABLES / "layers_qwen.json").read_text())
    with pytest.raises(ArtifactProblem) as problem:
        read(tmp_path, put(value, path, new))
    assert sentence in problem.value.sentence


def test_two_rows_about_one_condition_are_refused(tmp_path: Path) -> None:
    value = json.loads((TABLES / "layers_qwen.json").read_text())
    with pytest.raises(ArtifactProblem, match="two rows are about the same condition"):
        read(tmp_path, put(value, ("rows",), [value["rows"][0]] * 2))
