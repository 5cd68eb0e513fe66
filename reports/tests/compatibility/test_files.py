"""The page, the Markdown and the badges of a table: what they show, link and escape, and the command that writes them."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from reports.__main__ import main
from reports.compatibility.badge import file_names, summarize
from reports.compatibility.columns import read_columns
from reports.compatibility.sources import read_sources
from reports.compatibility.texts import list_badges, render_html, render_markdown
from reports.compatibility.view import View, make_view
from reports.tests.compatibility.test_table import DEVIATION
from reports.tests.compatibility.written_runs import checks, older_than, run, table, write
from reports.tests.parsed_page import Parsed
from reports.tests.test_page_safety import CONTROL, NASTY
from steering_core.records.record import Outcome, Run

WRONG = {"outcome": Outcome.DIFFERS, "sentence": "max|d| = 3.1 > 1e-05"}


def view(folder: Path, *runs: Run) -> View:
    return make_view(read_sources([write(folder / "runs", *runs)], []), folder / "table")


def test_every_cell_leads_to_its_record_and_to_the_command_that_repeats_it(tmp_path: Path) -> None:
    shown = view(tmp_path, run(P1=WRONG))
    page, markdown = Parsed(render_html(shown)), render_markdown(shown)
    opened = [link["href"] for link in page.all("a") if "data-opens" in link]
    assert len(opened) == len(set(opened)) == len(read_columns())
    assert {f"#{drop['id']}" for drop in page.all("details") if "drop" in drop.get("class", "")} == set(opened)
    assert re.findall(r"\]\(compatibility\.html(#[^)]+)\)", markdown) == opened
    line = 2 + list(checks()).index("P1")
    assert f"P1 tiny_qwen2 probe , differs: max|d| = 3.1 > 1e-05 run-0/records.jsonl, line {line}" in page.text
    assert page.all("a", href="../runs/run-0/records.jsonl")
    lines = (tmp_path / "runs" / "run-0" / "records.jsonl").read_text(encoding="utf-8").splitlines()
    assert "3.1 > 1e-05" in lines[line - 1]
    assert "pytest 'parity/test_written.py::test[tiny_qwen2-None]' -m tiny_qwen2" in page.text
    assert "--clauses P0,P1,P3,P5,P7,P8 " not in page.text  # the failing check alone
    assert "the command of the row with --clauses P0,P7,S1,S2,S8" in page.text


def test_a_command_is_once_in_a_row_however_many_columns_it_repeats(tmp_path: Path) -> None:
    page = Parsed(render_html(view(tmp_path, run())))
    assert page.text.count("pytest parity -m tiny_qwen2") == 1
    assert "pytest parity -m tiny_qwen2 --clauses P0,P1," in page.text
    per_column = [words.split()[0] for words in page.text.split("the command of the row with --clauses ")[1:]]
    assert len(per_column) == len(read_columns())
    assert {"P2,P10", "S7", "P9,P11,P12"} <= set(per_column)


def test_a_column_that_was_not_run_says_so(tmp_path: Path) -> None:
    words = "Packed: not tested Not run: the checks of this column are newer than the runs of the row."
    assert words in Parsed(render_html(view(tmp_path / "older", older_than("packed")))).text
    assert "Not run:" not in Parsed(render_html(view(tmp_path / "missing", run(without=("P4 packed",))))).text


def test_records_elsewhere_are_named_and_not_linked(tmp_path: Path) -> None:
    sources = read_sources([write(tmp_path / "a" / "b", run())], [])
    page = Parsed(render_html(make_view(sources, tmp_path / "c" / "d")))
    assert not [link for link in page.all("a") if "records" in link["href"]]
    assert "run-0/records.jsonl" in page.text


def test_a_state_is_a_word_and_a_shape_beside_its_color(tmp_path: Path) -> None:
    shown = view(tmp_path, run(P1=WRONG, P9=DEVIATION, S7=Outcome.NOT_OFFERED, without=("P4 packed",)))
    page, markdown = render_html(shown), render_markdown(shown)
    for look, word in (
        ("differs", "fails"),
        ("declared", "deviates"),
        ("not-offered", "not offered"),
        ("absent", "not tested"),
    ):
        cell = re.search(rf'<a class="word {look}".*?</a>', page)
        assert cell
        assert f"#icon-{look}" in cell[0]
        assert f"<b>{word}</b>" in cell[0]
    for words in ("[fails: P1]", "[deviates: P9]", "[not offered]", "[not tested]", "[holds]"):
        assert words in markdown


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_hostile_text_is_only_text(text: str, tmp_path: Path) -> None:
    text = text.encode("utf-8", "replace").decode()
    fields = {"sentence": text, "measured": {"declared_deviation": text}, "outcome": Outcome.DIFFERS}
    hostile = run(
        text, tool=text, P1=fields, P9=WRONG | {"sentence": text}, stack={"torch": text, "transformers": text}
    )
    shown = view(tmp_path, hostile, run(text, model=text), run("2", tool=text, day=1))
    page, markdown = render_html(shown), render_markdown(shown)
    parsed = Parsed(page)
    assert len(parsed.all("script")) == 1
    assert not parsed.all("img")
    names = {name for _, attributes in parsed.tags for name in attributes}
    assert not [name for name in names if name.startswith("on") or name == "style"]
    for _, attributes in parsed.tags:
        for name in ("href", "src", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", "data:,", "../runs/run-"))
    for made in (page, markdown, *list_badges(shown).values()):
        assert not CONTROL.search(made)
    assert not re.search(r"<(?!a id=\"tool-|/a>|!-- -->)", markdown)
    for badge in list_badges(shown).values():
        assert {each.tag.rpartition("}")[2] for each in ElementTree.fromstring(badge).iter()} == set(
            ["svg", "title", "rect", "path", "g", "text"]
        )


@pytest.mark.parametrize(
    ("changes", "label", "tone"),
    [
        ({}, f"{len(checks())}/{len(checks())} hold", "good"),
        ({"P9": DEVIATION}, f"{len(checks()) - 1}/{len(checks())} hold, 1 known deviation", "good"),
        ({"S7": Outcome.NOT_OFFERED}, f"{len(checks()) - 1}/{len(checks()) - 1} hold", "good"),
        ({"without": ("S7",)}, f"{len(checks()) - 1}/{len(checks())} hold, 1 not tested", "open"),
        ({"S2_one": Outcome.DIFFERS, "P1": Outcome.ERRORED}, "fails: P1, S2", "bad"),
        (
            {name: Outcome.DIFFERS for name in ("P1", "P3", "P5", "P7", "P8", "S7")},
            "fails: P1, P3, P5, P7 and 2 more",
            "bad",
        ),
        ({name.replace(" ", "_"): Outcome.NOT_OFFERED for name in checks()}, "nothing tested", "open"),
    ],
)
def test_a_badge_says_how_many_checks_hold_or_which_clauses_fail(
    changes: dict[str, object], label: str, tone: str
) -> None:
    assert summarize(table(run(**changes))) == (label, tone)


def test_a_badge_is_of_the_newest_version_on_all_families(tmp_path: Path) -> None:
    runs = [run("1.0", S7=Outcome.DIFFERS), run("1.1"), run("1.1", model="tiny_gemma2")]
    shown = view(tmp_path, *runs)
    (table_of_tool,) = shown.tables
    assert table_of_tool.label == f"{2 * len(checks())}/{2 * len(checks())} hold"
    assert [line.row.subject.version for line in table_of_tool.lines] == ["1.1", "1.1", "1.0"]
    (badge,) = list_badges(shown).values()
    assert "probe, probe 1.1" in badge
    assert table_of_tool.snippet == (
        f"[![steering-parity: {table_of_tool.label}](badges/probe.svg)](compatibility.md#tool-probe)"
    )


def test_files_of_badges_are_safe_and_no_two_alike() -> None:
    assert file_names(["a/b", "a b", "A-B", "..", "nul\x00", "é"]) == {
        "a/b": "a-b.svg",
        "a b": "a-b-2.svg",
        "A-B": "A-B-3.svg",
        "..": "tool.svg",
        "nul\x00": "nul.svg",
        "é": "tool-2.svg",
    }


def test_the_command_prints_or_writes_and_names_what_it_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = write(tmp_path / "runs", run(), run("1.1", S7=Outcome.DIFFERS))
    (runs / "begun").mkdir()
    (runs / "begun" / "plan.json").write_text("{}")
    (runs / "notes").mkdir()
    assert main(["compatibility", str(runs)]) == 0
    printed = capsys.readouterr()
    assert "| probe 1.1 |" in printed.out
    assert "passed over" in printed.err
    assert "begun" in printed.err
    assert main(["compatibility", str(runs / "run-0"), str(runs / "run-1"), "--into", str(tmp_path / "table")]) == 0
    written = sorted(path.relative_to(tmp_path / "table").as_posix() for path in (tmp_path / "table").rglob("*.*"))
    assert written == ["badges/probe.svg", "compatibility.html", "compatibility.md"]
    assert capsys.readouterr().err == ""


def test_a_folder_without_a_run_and_a_damaged_run_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = write(tmp_path / "runs", run())
    (tmp_path / "empty").mkdir()
    records = runs / "run-0" / "records.jsonl"
    records.write_text(records.read_text(encoding="utf-8").replace('"agrees"', '"differs"', 1), encoding="utf-8")
    for path, words in (
        (tmp_path / "empty", "no finished run in"),
        (runs, "no finished run in"),
        (records.parent, "changed"),
    ):
        assert main(["compatibility", str(path)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line
    assert main(["compatibility", str(tmp_path / "nowhere")]) == 2
