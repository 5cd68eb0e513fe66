"""Evidence of failure in published files: it counts, with the message that the file stores."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.__main__ import main
from reports.inputs import read_inputs
from reports.rejudge import judge_published
from reports.study.replay import replay
from reports.tests.broken_files import written
from reports.tests.broken_study_files import GEMMA, QWEN, study
from reports.tests.study_like import aggregate, early_file, full_file, put, spread, summary_file
from reports.verdicts import Verdict

ERROR = "The size of tensor a (3584) must match the size of tensor b (152064)"
Json = dict[str, Any]


def verdict_on(folder: Path, full: Json, summary: Json) -> Verdict:
    """The verdict on a full file and a summary."""
    return judge_published(read_inputs([*study(GEMMA, full)(folder), *study(QWEN, summary)(folder)])).verdict


def test_an_early_file_is_incomplete_with_the_stored_error(tmp_path: Path) -> None:
    verdict = verdict_on(tmp_path, full_file(), early_file(ERROR))
    assert verdict.conclusion == "INCOMPLETE"
    assert f"pyvene failed: {ERROR}" in " ".join(verdict.missing)
    assert "the file holds only 1 repeat" in " ".join(verdict.missing)
    assert "one repeat alone has no within-tool cosine" in " ".join(verdict.missing)


def test_an_earlier_file_without_status_or_comparison_is_incomplete(tmp_path: Path) -> None:
    early = early_file(ERROR)
    bare = {"saved": early["saved"], "summary": {"hooks": early["summary"]["hooks"]}}
    assert verdict_on(tmp_path, full_file(), bare).conclusion == "INCOMPLETE"
    sentences = {r.cell.id: r.sentence for r in replay(read_inputs([tmp_path]).published).records}
    assert sentences["D2 qwen7b hooks~nnsight r0"] == "the file has no numbers of nnsight"
    assert sentences["B1 qwen7b hooks reference r0"] == "the file does not say how many prompts there were"


def test_a_full_file_whose_tools_all_failed_is_incomplete(tmp_path: Path) -> None:
    failed = full_file()
    for run in failed["runs"]:
        run["methods"] = dict.fromkeys(run["methods"], {"ok": False, "error": ERROR, "elapsed_s": 1.0})
        run["tensor_site_parity"] = {"parity_pass": False, "reason": "<2 methods succeeded"}
    verdict = verdict_on(tmp_path, failed, summary_file())
    assert verdict.conclusion == "INCOMPLETE"
    assert f"hooks failed: {ERROR}" in " ".join(verdict.missing)


def test_a_tool_that_the_file_calls_failed_is_missing(tmp_path: Path) -> None:
    path = ("method_status", "pyvene")
    verdict = verdict_on(tmp_path, full_file(), put(summary_file(), path, {"ok": False, "error": ERROR}))
    assert verdict.conclusion == "INCOMPLETE"
    assert f"pyvene failed: {ERROR}" in " ".join(verdict.missing)


def test_one_failed_repeat_of_five_is_missing(tmp_path: Path) -> None:
    path = ("runs", 3, "methods", "nnsight")
    verdict = verdict_on(tmp_path, put(full_file(), path, {"ok": False, "error": ERROR}), summary_file())
    assert verdict.conclusion == "INCOMPLETE"
    assert f"nnsight failed: {ERROR}" in " ".join(verdict.missing)


PAIR = "hooks_vs_pyvene"
FAILING: dict[str, tuple[tuple[str | int, ...], Any, str]] = {
    "flag": (("parity_pass",), False, "P6"),
    "raw cosine": (("pairwise_raw_cosine_mean", PAIR), 0.5, "P6"),
    "distance": (("pairwise_last_sample_l2", PAIR), 3.5, "P6"),
    "dtype": (("dtype", "pyvene"), "float16", "P3"),
    "shape": (("shape", "pyvene"), [5, 8], "P2"),
}


@pytest.mark.parametrize("name", FAILING)
@pytest.mark.parametrize("in_full", [True, False], ids=["full", "summary"])
def test_a_stored_preflight_failure_makes_the_verdict_invalid(name: str, in_full: bool, tmp_path: Path) -> None:
    path, value, clause = FAILING[name]
    full, summary = full_file(), summary_file()
    if in_full:
        full = put(full, ("runs", 2, "tensor_site_parity", *path), value)
    else:
        summary = put(summary, ("tensor_site_parity", *path), value)
    verdict = verdict_on(tmp_path, full, summary)
    assert verdict.conclusion == "INVALID"
    assert verdict.failures[0].clause == clause
    assert any(note.startswith("without the gate, as the study ran") for note in verdict.notes)


def test_consistent_aggregates_are_accepted(tmp_path: Path) -> None:
    full = full_file() | {"aggregate": {"hooks": aggregate()}}
    assert verdict_on(tmp_path, full, summary_file()).conclusion == "OUTCOME_4"


def test_the_contradiction_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = aggregate() | {"coherent_rate": spread(60.0)}
    assert main(["verdict", *map(str, study(GEMMA, full_file() | {"aggregate": {"hooks": row}})(tmp_path))]) == 2
    assert "aggregate of hooks: coherent_rate.mean is 60, but the runs give 90" in capsys.readouterr().err


def test_a_cosine_above_1_by_rounding_is_a_note(tmp_path: Path) -> None:
    verdict = verdict_on(tmp_path, full_file(), summary_file(within=1.0000000596))
    note = "qwen7b: a published cosine is 1.0000000596, above 1 by float32 rounding; it counts as 1"
    assert note in verdict.notes
    assert not any("above 1" in note for note in verdict_on(tmp_path, full_file(), summary_file()).notes)


def test_settings_off_the_protocol_are_a_note(tmp_path: Path) -> None:
    notes = verdict_on(tmp_path, full_file() | {"layer_idx": 12, "multiplier": 3.0}, summary_file()).notes
    assert "gemma9b: measured at layer 12, and the protocol's is 16" in notes
    assert "gemma9b: measured at strength 3, and the protocol's is 25" in notes


def test_other_files_of_a_directory_are_passed_over_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verdict_on(tmp_path, full_file(), summary_file())
    for name, content in (("notes.json", "{}"), ("list.json", "[1]"), ("torn.json", '{"a"'), ("empty.json", "")):
        written(tmp_path / name, content)
    assert main(["verdict", str(tmp_path), "--expect-outcome", "4"]) == 0
    out, error = capsys.readouterr()
    assert out.startswith("OUTCOME 4 (replayed)")
    lines = error.splitlines()
    assert [line.split()[2] for line in lines] == ["empty.json", "list.json", "notes.json", "torn.json"]
    assert all(line.startswith("passed over: ") for line in lines)


def test_a_damaged_artifact_in_a_directory_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verdict_on(tmp_path, full_file(), summary_file())
    study(GEMMA, full_file() | {"layer_idx": 99})(tmp_path)
    assert main(["verdict", str(tmp_path)]) == 2
    assert f"{GEMMA}: layer_idx 99 of google/gemma-2-9b-it, whose blocks are 0 to 41" in capsys.readouterr().err


def numbers_in(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every number; of a list only its first item."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else list(enumerate(value))[:1]
        for key, item in items:
            yield from numbers_in(item, (*path, key))
    elif isinstance(value, int | float):
        yield path


@pytest.mark.parametrize("number", [1e308, 10**400], ids=["1e308", "10**400"])
def test_no_huge_number_is_a_traceback(number: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {GEMMA: full_file() | {"aggregate": {"hooks": aggregate()}}, QWEN: summary_file()}
    for name, value in files.items():
        for path in numbers_in(value):
            written(tmp_path / name, json.dumps(put(value, path, number)))
            status = main(["verdict", str(tmp_path / name)])
            assert status == 0 or (status, capsys.readouterr().err.count("\n")) == (2, 1), path
