"""The gate by eye: what a person read in the answers of a condition decides whether it works."""

import json
from pathlib import Path
from typing import Any

import pytest

from reports.__main__ import main
from reports.findings import list_findings
from reports.page.html import render_page
from reports.page.markdown import render_markdown
from reports.review.files import REVIEW, SHEET, keep_review, read_review, write_sheet
from reports.review.sheet import make_sheet
from reports.run.artifact import read_run, write_run
from reports.sweeps.review import ReviewCount, count_reviews
from reports.terminal.screen import render
from reports.tests.sweep_run import measured, only, rates, swept
from reports.tests.test_review import marked
from reports.tests.verdicts.test_sweep_verdicts import section_of
from reports.verdicts import Verdict, judge
from reports.verdicts.sweeps import next_conditions
from steering_core.records.record import Cell, Run

RUN = only(swept(("qwen7b",)), "W1")
PLACE = "dim, block 16 (60 %), 15x"
RUN = RUN.model_copy(
    update={"plan": RUN.plan.model_copy(update={"planned": tuple(record.cell for record in RUN.records)})}
)
CELL = next(record.cell for record in RUN.records if record.cell.variant == "60-dim-15")
"""8 of 10 coherent by the classifier: the only condition that works."""


def read_as(*kinds: str) -> dict[Cell, ReviewCount]:
    """The first answers of the working condition, read as these classes."""
    return count_reviews(review_of(RUN, *kinds))


def review_of(run: Run, *kinds: str) -> Any:
    """A whole review, without a file."""
    from reports.review.marks import read_marks
    from reports.review.render import render_markdown as sheet_text

    sheet = make_sheet(run.records)
    return read_marks(marked(sheet_text(sheet), dict(enumerate(kinds))), SHEET, sheet)


def working(reviews: dict[Cell, ReviewCount] | None) -> tuple[str, str]:
    """(band, what a person says) of the condition."""
    verdict = judge(RUN, reviews=reviews)
    assert verdict.sweep is not None
    (condition,) = (each for each in verdict.sweep.conditions if each.place == PLACE)
    return condition.band, condition.by_eye


@pytest.mark.parametrize(
    ("kinds", "band", "words"),
    [
        (("coherent",) * 8 + ("normal",) * 2, "works", "by eye: 8 of 10 confirmed"),
        (("coherent",) * 6 + ("normal",) * 4, "works", "by eye: 6 of 10 confirmed"),
        (("coherent",) * 5 + ("normal",) * 5, "partial", "by eye: 5 of 10 confirmed"),
        (("garbled",) * 8 + ("normal",) * 2, "fails", "by eye: 0 of 10 confirmed"),
        (("garbled",) * 2, "works", "by eye: 0 of 2 confirmed, 8 open"),
        (("normal",) * 3, "partial", "by eye: 0 of 3 confirmed, 7 open"),
    ],
    ids=["confirmed", "just confirmed", "refuted", "garbled", "open", "refuted whatever the rest is"],
)
def test_the_readers_classes_replace_the_classifiers(kinds: tuple[str, ...], band: str, words: str) -> None:
    assert working(read_as(*kinds)) == (band, words)


def test_a_condition_that_works_and_was_not_read_says_so() -> None:
    assert working(None) == ("works", "not read by a person: python -m reports review DIR")
    verdict = judge(RUN)
    assert "not read by a person" in verdict.headline
    assert verdict.sweep
    assert verdict.sweep.readings == ("1 working condition not read by a person: python -m reports review DIR",)
    unquoted = measured(RUN, RUN.records.index(next(r for r in RUN.records if r.cell == CELL)), samples=[])
    assert section_of(unquoted).readings == ("1 working condition not read by a person: the answers were not kept",)


def test_a_refuted_condition_decides_nothing_as_a_working_one() -> None:
    refuted = read_as(*["normal"] * 10)
    assert judge(RUN).conclusion == "SWEEP_WORKS"
    verdict = judge(RUN, reviews=refuted)
    assert verdict.conclusion == "SWEEP_PARTIAL", "other conditions have 5 of 10"
    assert verdict.sweep
    assert verdict.sweep.readings == (f'qwen7b, {PLACE}: by eye: 0 of 10 confirmed; refuted: "fails", not "works"',)
    assert {c.clause for c in next_conditions(RUN.records)} == {"W2"}
    assert {c.clause for c in next_conditions(RUN.records, refuted)} == {"W1"}


def test_a_reading_holds_for_every_check_of_the_same_condition() -> None:
    """The sweep of sizes measures its best block once more, and validates others."""
    run = swept(("qwen7b",))
    refuted = {CELL: read_as(*["normal"] * 10)[CELL]}
    section = judge(run, reviews=refuted).sweep
    assert section is not None
    same = [each for each in section.conditions if each.place.replace(" (60 %)", "") == "dim, block 16, 15x"]
    assert {each.clause for each in same} == {"W1", "W2", "W3", "W4"}
    assert {each.band for each in same} == {"fails"}


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A run directory whose only working condition was read and refuted."""
    folder = tmp_path / "run"
    write_run(folder, RUN, judge(RUN))
    write_sheet(folder, RUN)
    kinds = dict(enumerate(["coherent"] * 5 + ["normal"] * 5))
    (folder / SHEET).write_text(marked((folder / SHEET).read_text(encoding="utf-8"), kinds), encoding="utf-8")
    keep_review(folder, RUN, folder / SHEET)
    return folder


def test_judging_again_sees_the_review(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verdict", str(stored), "--expect-outcome", "SWEEP_PARTIAL"]) == 0
    assert "by eye: 5 of 10 confirmed" in " ".join(capsys.readouterr().out.split())
    assert main(["verdict", str(stored / "records.jsonl"), "--expect-outcome", "SWEEP_PARTIAL"]) == 0
    assert main(["render", str(stored)]) == 0
    for name in ("report.html", "report.md"):
        text = (stored / name).read_text(encoding="utf-8")
        assert "SWEEP: PARTIAL" in text
        assert "by eye: 5 of 10 confirmed" in text
    assert Verdict.model_validate_json(judge(RUN, reviews=read_as("normal")).model_dump_json()).sweep


@pytest.mark.parametrize("command", ["verdict", "render", "findings"])
def test_a_review_of_other_records_is_refused_in_one_line(
    command: str, stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    review = json.loads((stored / REVIEW).read_text(encoding="utf-8"))
    (stored / REVIEW).write_text(json.dumps({**review, "records": "0" * 64}), encoding="utf-8")
    assert main([command, str(stored)]) == 2
    error = capsys.readouterr().err
    assert "is about other records (000000000000)" in error
    assert error.count("\n") == 1


def test_a_review_stays_when_the_run_gains_conditions(stored: Path) -> None:
    grown = RUN.model_copy(update={"records": (*RUN.records, *only(swept(("qwen7b",)), "W4").records)})
    assert read_review(stored, grown) == read_review(stored, read_run(stored))


def test_findings_name_the_band_both_tables_and_the_reader() -> None:
    place = next(index for index, record in enumerate(RUN.records) if record.cell.variant == "20-dim-10")
    run = measured(RUN, place, **rates(3, 3, layer=5, strength=10))
    (section,) = list_findings(run, review_of(run, *["coherent"] * 5, *["normal"] * 5))
    assert f"| W1 qwen7b 60-dim-15 | {PLACE} | Partial | agree | by eye: 5 of 10 confirmed |" in section.text
    both = "the plan's first table says Partial, its second has no row for these rates"
    assert f"| W1 qwen7b 20-dim-10 | dim, block 5 (20 %), 10x | Partial | {both} | not asked for |" in section.text
    (unread,) = list_findings(RUN, None)
    assert f"| {PLACE} | Works | agree | not read by a person: python -m reports review DIR |" in unread.text


def test_the_page_shows_bands_and_readings() -> None:
    verdict = judge(RUN)
    for text in (render_page(RUN, verdict), render_markdown(RUN, verdict)):
        assert "Works, Partial or Fails, by condition" in text
        assert "1 working condition not read by a person: python -m reports review DIR" in text


def test_the_terminal_names_the_directory_of_the_run() -> None:
    text = " ".join(render(RUN, judge(RUN), 80, color=False, place="runs/a b").split())
    assert "python -m reports review 'runs/a b'" in text
    assert "--resume 'runs/a b' --follow" in text
    assert "DIR" not in text
