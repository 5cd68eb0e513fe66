"""A large run: a small page, and beside it a page per model and the tables that are too long for it."""

from pathlib import Path

import pytest

from reports.page import PAGE, view, write_views
from reports.page.drawings import DRAWN, _widest
from reports.page.exports import ROWS, Table
from reports.page.grid import TABULATED, Square, build_grids
from reports.page.html import breakable
from reports.tests.parsed_page import Parsed
from reports.tests.synthetic_run import MODELS, one_fault
from reports.verdicts import judge


def test_checks_of_a_large_run_are_on_a_page_per_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "LARGE", 10)
    run = one_fault()
    page = Parsed(write_views(tmp_path, run, judge(run))[0].read_text(encoding="utf-8"))
    assert not [tag for tag in page.all("details") if "drop" in tag.get("class", "")]
    for model, number in zip(MODELS, (1, 2), strict=True):
        place = f"report-files/model-{number}.html"
        assert page.all("a", href=place)
        beside = Parsed((tmp_path / place).read_text(encoding="utf-8"))
        assert model in beside.text
        assert "P1 location: nnsight" in beside.text
        assert beside.all("a", href=f"../{PAGE}")
        assert "default-src 'none'" in beside.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]


def test_every_check_of_a_large_run_is_searched_and_filtered_on_its_main_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "LARGE", 10)
    run = one_fault()
    page = Parsed(write_views(tmp_path, run, judge(run))[0].read_text(encoding="utf-8"))
    assert [tag["id"] for tag in page.all("input")] == ["search", "only"]
    rows = [tag["class"] for tag in page.all("tbody") if "row" in tag.get("class", "").split()]
    assert len(rows) == sum(len(grid.rows) for grid in build_grids(run))
    assert rows.count("row failing") == 1
    links = [tag["href"] for tag in page.all("a") if "word" in tag.get("class", "").split()]
    assert len(links) >= len(rows)
    for place in sorted({link.partition("#")[0] for link in links}):
        beside = Parsed((tmp_path / place).read_text(encoding="utf-8"))
        names = {link.partition("#")[2] for link in links if link.startswith(f"{place}#")}
        assert names <= {tag["id"] for tag in beside.all("details") if "id" in tag}
    assert not page.all("a", **{"data-opens": None}), "nothing opens on this page"


def test_names_are_broken_between_their_words() -> None:
    assert breakable("my_tool-2.OneBlockEarly") == "my_<wbr>tool-<wbr>2.<wbr>One<wbr>Block<wbr>Early"
    assert breakable("<b>") == "&lt;b&gt;"


def test_long_table_is_a_file_and_files_of_an_earlier_rendering_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.page.exports.ROWS", 3)
    run = one_fault()
    page = Parsed(write_views(tmp_path, run, judge(run))[0].read_text(encoding="utf-8"))
    assert page.all("a", href="report-files/outcomes.csv")
    assert (tmp_path / "report-files/outcomes.csv").read_text().count("\n") == 95
    monkeypatch.setattr("reports.page.exports.ROWS", ROWS)
    write_views(tmp_path, run, judge(run))
    assert not list((tmp_path / "report-files").iterdir())


def test_a_table_says_how_many_rows_it_leaves_out() -> None:
    table = Table("t", ("n",), tuple((n,) for n in range(ROWS + 7)))
    assert (len(table.shown.rows), table.unlisted) == (ROWS, 7)
    assert table.csv.count("\n") == ROWS + 8


def test_a_square_lists_the_worst_of_many_records() -> None:
    run = one_fault()
    square = Square("hooks", run.records[:TABULATED] * 3, run.plan)
    assert (len(square.numbers.rows), square.unlisted) == (TABULATED, 2 * TABULATED)


def test_of_many_figures_those_that_differ_most_are_drawn() -> None:
    distances = {f"m{n}": float(n) for n in range(30)}
    assert _widest(distances) == [f"m{n}" for n in range(30 - DRAWN, 30)]
    assert _widest({"a": 1.0, "b": 0.0}) == ["a", "b"]
