"""Separate runs become one; contradicting records are refused with both origins."""

import json
from pathlib import Path

import pytest

from reports.__main__ import main
from reports.run.artifact import read_run, write_run
from reports.run.layout import VERDICT
from reports.run.merge import copy_tensors, merge_runs
from reports.tests.broken_files import ROWS, tensors
from reports.tests.synthetic_run import MODELS, agreeing, replace
from reports.verdicts import judge
from steering_core.errors import ArtifactProblem
from steering_core.records.record import Run


def only(model: str) -> Run:
    """The part of a complete run that one machine measured."""
    run = agreeing()
    cells = tuple(cell for cell in run.plan.planned if cell.model == model)
    plan = run.plan.model_copy(update={"models": (model,), "required": cells, "planned": cells})
    records = tuple(record for record in run.records if record.cell.model == model)
    return run.model_copy(update={"plan": plan, "records": records})


def halves() -> list[tuple[str, Run]]:
    """Two machines, one model each."""
    return [("a", only(MODELS[0])), ("b", only(MODELS[1]))]


def test_two_halves_make_the_whole_verdict() -> None:
    assert judge(only(MODELS[0])).conclusion == "ONE_MODEL_AGREES"
    merged = merge_runs(halves())
    assert judge(merged).conclusion == "OUTCOME_4"
    assert merged.plan == agreeing().plan
    assert sorted(r.cell.id for r in merged.records) == sorted(r.cell.id for r in agreeing().records)


@pytest.mark.parametrize(("other", "named"), [("aaa", 0), ("bbb", 1)])
def test_a_verdict_names_the_versions_of_the_suite_that_measured_its_records(other: str, named: int) -> None:
    runs = [
        (name, replace(run, *(record.cell for record in run.records), provenance={"commit": commit}))
        for (name, run), commit in zip(halves(), ("aaa", other), strict=True)
    ]
    said = "the records were made by 2 versions of the suite (aaa, bbb), whose checks may differ"
    assert judge(merge_runs(runs)).notes.count(said) == named
    assert [note for note in judge(merge_runs(runs)).notes if "versions of the suite" in note] == [said] * named


def test_equal_records_of_a_cell_are_kept_once() -> None:
    again = replace(only(MODELS[0]), only(MODELS[0]).records[0].cell, wall_seconds=9.0, provenance={"gpu": "other"})
    assert len(merge_runs([("a", only(MODELS[0])), ("b", again)]).records) == len(only(MODELS[0]).records)


def test_a_conflict_names_both_origins() -> None:
    cell = only(MODELS[0]).records[0].cell
    other = replace(
        only(MODELS[0]), cell, measured={"max_abs": 1.0}, provenance={"gpu": "NVIDIA H200", "dtype": "bfloat16"}
    )
    with pytest.raises(ArtifactProblem, match=r"P1 tiny_qwen2 hooks was recorded twice and differs") as caught:
        merge_runs([("run-a", only(MODELS[0])), ("run-b", other)])
    assert "run-a (device cpu, dtype float32, 2026-02-20" in str(caught.value)
    assert "run-b (gpu NVIDIA H200, dtype bfloat16, 2026-02-20" in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "value"), [("preset", "phase1"), ("repeats", 3), ("gated", False), ("random_weights", True)]
)
def test_runs_with_other_settings_are_refused(setting: str, value: object) -> None:
    run = only(MODELS[1])
    other = run.model_copy(update={"plan": run.plan.model_copy(update={setting: value})})
    with pytest.raises(ArtifactProblem, match=f"{setting} is .* in a and {value} in b"):
        merge_runs([("a", only(MODELS[0])), ("b", other)])


def test_environments_keep_shared_facts_and_list_the_others_by_run() -> None:
    (_, left), (_, right) = halves()
    right = right.model_copy(update={"environment": {**right.environment, "gpu": "NVIDIA H200"}})
    environment = merge_runs([("a", left), ("b", right)]).environment
    assert environment["torch"] == "2.13.0"
    assert "gpu" not in environment
    assert environment["merged_from"] == {"a": {"gpu": None}, "b": {"gpu": "NVIDIA H200"}}


def test_tensor_files_that_differ_are_refused(tmp_path: Path) -> None:
    for name, content in {"a": b"1", "b": b"2"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.safetensors").write_bytes(content)
    with pytest.raises(ArtifactProblem, match="x.safetensors differs between the runs"):
        copy_tensors([tmp_path / "a", tmp_path / "b"], tmp_path / "joined")


def test_the_command_writes_the_joined_run_with_its_tensors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, run in halves():
        (tmp_path / name).mkdir()
        tensors(lambda folder: None)(tmp_path / name)
        write_run(tmp_path / name, run, judge(run))
    joined = tmp_path / "joined"
    command = ["merge", str(tmp_path / "a"), str(tmp_path / "b"), "--into", str(joined)]
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("OUTCOME 4: ")
    assert len(read_run(joined).records) == len(agreeing().records)
    assert json.loads((joined / VERDICT).read_text())["conclusion"] == "OUTCOME_4"
    assert (joined / ROWS).read_bytes() == (tmp_path / "a" / ROWS).read_bytes()
    assert main(command) == 2
    assert "already holds a run (merge-target)" in capsys.readouterr().err
