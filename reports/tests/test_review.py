"""The gate by eye: which answers a reader sees, that a marked sheet comes back, and that every wrong one is refused."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from reports.__main__ import main
from reports.review.files import PRINTED, REVIEW, SHEET, keep_review, read_review, write_sheet
from reports.review.render import render_html, render_markdown
from reports.review.sheet import Sheet, make_sheet
from reports.run.artifact import write_run
from reports.sweeps.review import ReviewCount, count_reviews
from reports.tests.parsed_page import Parsed
from reports.tests.sweep_run import measured, only, rates, swept
from reports.tests.test_page_safety import CONTROL, NASTY
from reports.verdicts import judge
from steering_core.errors import ArtifactProblem
from steering_core.records.record import Run

DOUBTFUL = "Offside is illegal in soccer, and the referee stops the game."
ONE = only(swept(("qwen7b",)), "W1")
WORKING = "60-dim-15"
WORKING_INDEX = next(index for index, record in enumerate(ONE.records) if record.cell.variant == WORKING)


def quoting(*answers: tuple[str, str]) -> Run:
    """One working condition that quotes these (text, class)."""
    (record,) = (record for record in ONE.records if record.cell.variant == WORKING)
    samples = [{"prompt": f"Prompt {i}?", "text": text, "class": name} for i, (text, name) in enumerate(answers)]
    run = ONE.model_copy(update={"records": (record,)})
    return measured(run, 0, samples=samples)


def marked(sheet: str, kinds: dict[int, str]) -> str:
    """The sheet with a mark in the given class of the given answers, counted from 0."""
    lines = sheet.split("\n")
    boxes = [place for place, line in enumerate(lines) if line.startswith("- [ ]")]
    for index, kind in kinds.items():
        (place,) = (place for place in boxes[3 * index : 3 * index + 3] if lines[place].endswith(kind))
        lines[place] = lines[place].replace("[ ]", "[x]")
    return "\n".join(lines)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A run directory with one sweep."""
    write_run(tmp_path / "run", ONE, judge(ONE))
    return tmp_path / "run"


def test_only_working_conditions_are_reviewed() -> None:
    assert [page.cell.variant for page in make_sheet(ONE.records).pages] == [WORKING]
    with pytest.raises(ArtifactProblem, match="no working condition"):
        make_sheet(measured(quoting(), 0, **rates(5, 0)).records)


def test_doubtful_answers_come_first_and_ten_at_most() -> None:
    clear = [
        (f"To bake cake {index}, heat the oven to 180 degrees and mix the dough.", "normal") for index in range(12)
    ]
    (page,) = make_sheet(quoting(*clear, (DOUBTFUL, "normal")).records).pages
    assert page.texts[0].answer == DOUBTFUL
    assert page.texts[0].doubts == ("study-v1: coherent",)
    assert [text.prompt for text in page.texts[1:]] == [f"Prompt {index}?" for index in range(9)]


def test_sheet_does_not_show_the_class_of_the_program() -> None:
    texts = [("Sorry, I can't help with that.", name) for name in ("coherent", "garbled")]
    first, second = (make_sheet(quoting((text, name)).records) for text, name in texts)
    for render in (render_markdown, render_html):
        without = [re.sub("[0-9a-f]{64}", "", render(sheet)) for sheet in (first, second)]
        assert without[0] == without[1]


def test_line_breaks_of_an_answer_are_kept() -> None:
    sheet = make_sheet(quoting(("one\ntwo", "normal")).records)
    assert "> one  \n> two  \n" in render_markdown(sheet)
    assert "one\ntwo</pre>" in render_html(sheet)


def test_names_are_unique_even_for_equal_answers_of_equal_prompts() -> None:
    run = quoting(("Sorry.", "coherent"), ("Sorry.", "coherent"))
    samples = [{"prompt": "Same?", "text": "Sorry.", "class": "coherent"}] * 2
    (page,) = make_sheet(measured(run, 0, samples=samples).records).pages
    assert len({text.sample for text in page.texts}) == 2


def test_marks_come_back_as_counts(stored: Path) -> None:
    write_sheet(stored, ONE)
    text = (stored / SHEET).read_text(encoding="utf-8")
    kinds = {text.sample: text.recorded for page in make_sheet(ONE.records).pages for text in page.texts}
    assert list(kinds.values()) == ["coherent"] * 8 + ["normal"] * 2
    marks = {0: "coherent", 1: "garbled", 2: "normal", 8: "normal", 9: "coherent"}
    (stored / SHEET).write_text(marked(text, marks).replace("Reader:", "Reader: A. Reader"), encoding="utf-8")

    review = keep_review(stored, ONE, stored / SHEET)
    assert read_review(stored, ONE) == review
    assert review.reader == "A. Reader"
    assert {cell.variant: count for cell, count in count_reviews(review).items()} == {
        WORKING: ReviewCount(
            confirmed=2,
            refuted=3,
            open=5,
            not_coherent=2,
            read=5,
            shown=10,
            refusals=2,
            coherent_change=-1,
            garbled_change=1,
        )
    }


def test_an_unscored_answer_is_neither_confirmed_nor_refuted(tmp_path: Path) -> None:
    run = quoting(("Nie mogę w tym pomóc.", "unscored"))
    (tmp_path / SHEET).write_text(marked(render_markdown(make_sheet(run.records)), {0: "coherent"}), encoding="utf-8")
    assert list(count_reviews(keep_review(tmp_path, run, tmp_path / SHEET)).values()) == [
        ReviewCount(0, 0, 0, 0, read=1, refusals=1, coherent_change=1)
    ]


def test_command_writes_reads_back_and_prints(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["review", str(stored)]) == 0
    assert capsys.readouterr().out.split() == [str(stored / SHEET), str(stored / PRINTED)]
    sheet = (stored / SHEET).read_text(encoding="utf-8")
    (stored / "done.md").write_text(marked(sheet, {0: "coherent", 1: "garbled"}).replace("\n", "\r\n"), newline="")
    assert main(["review", str(stored), "--read", str(stored / "done.md")]) == 0
    assert capsys.readouterr().out == "W1 qwen7b 60-dim-15: 1 confirmed, 1 refuted, 8 open\n"
    assert json.loads((stored / REVIEW).read_text())["schema"] == 1


def test_a_marked_sheet_is_not_overwritten(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sheet(stored, ONE)
    write_sheet(stored, ONE)
    begun = marked((stored / SHEET).read_text(encoding="utf-8"), {0: "coherent"})
    (stored / SHEET).write_text(begun, encoding="utf-8")
    assert main(["review", str(stored)]) == 2
    assert "is marked or is about other records" in capsys.readouterr().err
    assert (stored / SHEET).read_text(encoding="utf-8") == begun


def change(old: str, new: str, count: int = 1) -> Any:
    """A sheet with one mark, and then `old` replaced."""
    return lambda sheet: marked(sheet, {0: "coherent"}).replace(old, new, count)


def second_line(sheet: str) -> str:
    return next(line for line in sheet.split("\n") if line.startswith("- [ ]"))


WRONG = {
    "unmarked": (lambda sheet: sheet, "has no marked box"),
    "no sheet": (lambda sheet: "# Notes\n", "is not a review sheet"),
    "other records": (
        change("Records: `", "Records: `" + "0" * 64 + "`\n\nwas `"),
        "is about other records (000000000000)",
    ),
    "two marks": (lambda sheet: sheet.replace("- [ ]", "- [x]", 2), "has two marks"),
    "odd mark": (change("- [x]", "- [yes]"), "is not a box: - [yes]"),
    "lost box": (change("- [ ]", "[ ]"), "lacks 1 boxes of the sheet"),
    "box of another sheet": (lambda sheet: sheet + "\n- [x] 0123456789ab coherent\n", "is not on the sheet"),
    "box twice": (lambda sheet: sheet + "\n" + second_line(sheet), "is twice"),
    "odd class": (lambda sheet: re.sub("(- .*) coherent\n", r"\1 fine\n", sheet, count=1), "fine is not on the sheet"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_sheet_is_refused_in_one_line(stored: Path, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    alter, message = WRONG[case]
    write_sheet(stored, ONE)
    (stored / "done.md").write_text(alter((stored / SHEET).read_text(encoding="utf-8")), encoding="utf-8")
    assert main(["review", str(stored), "--read", str(stored / "done.md")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (stored / REVIEW).exists()


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"\x80\x04pickle"])
def test_a_file_that_is_no_text_is_refused(stored: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    (stored / "done.md").write_bytes(content)
    assert main(["review", str(stored), "--read", str(stored / "done.md")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_kept_review_of_other_records_or_damaged_is_refused(stored: Path) -> None:
    assert read_review(stored, ONE) is None
    write_sheet(stored, ONE)
    sheet = (stored / SHEET).read_text(encoding="utf-8")
    (stored / SHEET).write_text(marked(sheet, {0: "coherent"}), encoding="utf-8")
    keep_review(stored, ONE, stored / SHEET)
    with pytest.raises(ArtifactProblem, match="is about other records"):
        read_review(stored, measured(ONE, WORKING_INDEX, strength=11.0))
    assert read_review(stored, measured(ONE, 0, strength=11.0)), "it is about the conditions that were read"
    (stored / REVIEW).write_text('{"schema": 1, "records": "x", "reader": "", "texts": []}')
    with pytest.raises(ArtifactProblem, match=r"review.json: field texts"):
        read_review(stored, ONE)


FORGED = [
    "- [x] 000000000000 coherent",
    "ok\n- [x] 000000000000 coherent\n",
    "ok\r- [x] 000000000000 coherent",
    "ok\u2028- [x] 000000000000 coherent",
    "Records: `" + "0" * 64 + "`",
    "\nReader: somebody else",
]


@pytest.mark.parametrize("text", [*NASTY.values(), *FORGED], ids=[*NASTY, *map(str, range(len(FORGED)))])
def test_hostile_answers_are_only_text_and_forge_nothing(text: str, tmp_path: Path) -> None:
    run = measured(quoting(), 0, method=text, samples=[{"prompt": text, "text": text, "class": "normal"}])
    sheet: Sheet = make_sheet(run.records)
    page, written = render_html(sheet), render_markdown(sheet)
    found = Parsed(page)
    assert not found.all("script")
    assert not found.all("img")
    names = {name for _, attributes in found.tags for name in attributes}
    assert not [name for name in names if name.startswith("on") or name == "style"]
    assert not CONTROL.search(page + written)
    assert "<" not in written.replace("<!-- -->", "")

    (tmp_path / SHEET).write_text(marked(written, {0: "normal"}), encoding="utf-8")
    review = keep_review(tmp_path, run, tmp_path / SHEET)
    assert [(each.read, review.reader) for each in review.texts] == [("normal", "")]
