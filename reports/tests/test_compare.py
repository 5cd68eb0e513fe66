"""Two runs compared cell by cell: what changed, what may be compared, and the exit status."""

from pathlib import Path
from typing import Any

import pytest

from reports.__main__ import main
from reports.compare.changes import Change, compare_runs
from reports.compare.inputs import Side
from reports.compare.texts import LISTED, list_files, render_text
from reports.run.artifact import write_run
from reports.tests.parsed_page import Parsed
from reports.tests.synthetic_run import MODELS, agreeing, replace
from reports.verdicts import judge
from steering_core.errors import UsageProblem
from steering_core.records.record import Cell, Outcome, Run

WRONG = Cell(clause="P1", model=MODELS[0], tool="nnsight")


def newer(**changes: Any) -> Run:
    """The run with another transformers, in which nnsight reads the wrong tensor."""
    run = agreeing()
    provenance = run.records[0].provenance | {"transformers": "6.0.0"}
    measured = {"max_abs": 3.1, "tolerance": 1e-5}
    return replace(run, WRONG, provenance=provenance, measured=measured, sentence="off by one block", **changes)


def older() -> Run:
    run = agreeing()
    return replace(run, WRONG, provenance=run.records[0].provenance | {"transformers": "5.0.0"})


def test_versions_outcomes_and_numbers_that_changed_are_listed() -> None:
    comparison = compare_runs(older(), newer(outcome=Outcome.DIFFERS))
    assert comparison.cells == 178
    assert comparison.versions == (Change("transformers", "5.0.0", "6.0.0"),)
    assert comparison.outcomes == (Change(WRONG.id, "agrees", "differs", "off by one block"),)
    assert comparison.numbers == (Change(f"{WRONG.id}: max abs", "0", "3.1"),)


def test_runs_that_agree_have_no_changes() -> None:
    comparison = compare_runs(agreeing(), agreeing())
    assert (comparison.versions, comparison.outcomes, comparison.numbers) == ((), (), ())
    side = Side("A", agreeing(), judge(agreeing()))
    assert list_files(side, side, comparison)["compare.md"].count("\n\nNone changed.") == 3


def test_a_check_without_a_record_is_a_changed_outcome() -> None:
    run = agreeing()
    fewer = run.model_copy(update={"records": tuple(record for record in run.records if record.cell != WRONG)})
    assert compare_runs(run, fewer).outcomes == (Change(WRONG.id, "agrees", "no record"),)


def test_the_largest_relative_change_comes_first_and_changed_answers_count_as_whole() -> None:
    run = agreeing()
    small, large = [record.cell for record in run.records if record.cell.clause == "D2"][:2]
    changed = replace(run, small, measured={"one_minus_cosine": 1.0e-9, "cosine": 0.5, "band": "agrees"})
    changed = replace(changed, large, measured={"one_minus_cosine": 0.4, "cosine": 0.999, "band": "agrees"})
    places = [change.where for change in compare_runs(run, changed).numbers]
    assert places[-1] == f"{large.id}: cosine"
    assert set(places[:-1]) == {f"{small.id}: one minus cosine", f"{large.id}: one minus cosine", f"{small.id}: cosine"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"preset": "phase1"}, "the runs differ in preset: fixture and phase1"),
        ({"tools": ("hooks", "nnsight")}, "differ in tools: hooks, nnsight, pyvene and hooks, nnsight"),
        ({"planned": agreeing().plan.planned[1:]}, f"1 check was planned in only one of the runs, {WRONG.id[:2]}"),
    ],
)
def test_other_plans_are_refused_by_what_differs(changes: dict[str, Any], sentence: str) -> None:
    other = agreeing().model_copy(update={"plan": agreeing().plan.model_copy(update=changes)})
    with pytest.raises(UsageProblem, match=sentence):
        compare_runs(agreeing(), other)


def test_text_and_files_say_the_same_and_hostile_text_stays_text() -> None:
    evil = "<script>alert(1)</script>\x1b[31m"
    a, b = (Side(name, run, judge(run)) for name, run in (("old", older()), ("new", newer(outcome=Outcome.DIFFERS))))
    b = Side("new", replace(b.run, WRONG, sentence=evil), b.verdict)
    comparison = compare_runs(a.run, b.run)
    text, files = render_text(a, b, comparison, 100, False), list_files(a, b, comparison)
    page = Parsed(files["compare.html"])
    assert set(files) == {"compare.md", "compare.html"}
    for shown in (text, files["compare.md"], page.text):
        words = " ".join(shown.split())
        assert "1 of 178 checks changed" in words
        assert "OUTCOME 4" in words
        assert "6.0.0" in words
        assert "\x1b" not in shown
    assert not page.all("script")
    assert "<script>" not in files["compare.md"]


def test_the_screen_counts_what_the_files_list() -> None:
    run = agreeing()
    cells = [record.cell for record in run.records if record.cell.clause in ("P1", "P2", "P3", "P4", "P5")]
    side = Side("a", run, judge(run))
    comparison = compare_runs(run, replace(run, *cells, outcome=Outcome.DIFFERS))
    assert f"and {len(cells) - LISTED} more" in render_text(side, side, comparison, 100, False)
    markdown = list_files(side, side, comparison)["compare.md"]
    assert markdown.count("| agrees | differs |") == len(cells)


def test_exit_status_is_1_for_a_changed_outcome_and_2_for_what_cannot_be_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = {"old": older(), "numbers": newer(), "outcome": newer(outcome=Outcome.DIFFERS)}
    for name, run in runs.items():
        write_run(tmp_path / name, run, judge(run))
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "plan.json").write_text("{}")
    status = {name: main(["compare", str(tmp_path / "old"), str(tmp_path / name)]) for name in (*runs, "begun")}
    assert status == {"old": 0, "numbers": 0, "outcome": 1, "begun": 2}
    assert "has not ended" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "old"), str(tmp_path / "outcome"), "--into", str(tmp_path / "into")]) == 1
    assert sorted(path.name for path in (tmp_path / "into").iterdir()) == ["compare.html", "compare.md"]
