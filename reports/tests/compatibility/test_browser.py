"""The page of a table in a real browser: it requests and overflows nothing, is accessible, and can be searched."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reports.compatibility.sources import read_sources
from reports.compatibility.texts import render_html
from reports.compatibility.view import make_view
from reports.tests.browser import Tab, find_axe, find_chromium, open_tab
from reports.tests.compatibility.test_table import CRASH, DEVIATION
from reports.tests.compatibility.written_runs import run, write
from reports.tests.test_page_browser import SEVERE, VIEWS
from reports.tests.test_page_safety import NASTY
from steering_core.records.record import Outcome

CHROMIUM, AXE = find_chromium(), find_axe()
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH: the page is checked without a browser")
ROWS = "[...document.querySelectorAll('tbody.row')].filter(row => row.checkVisibility()).map(row => row.innerText)"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    hostile = run("3", tool=" ".join(NASTY.values()).encode("utf-8", "replace").decode()[:2000])
    runs = [run("1"), run("2", P1=CRASH, P9=DEVIATION), run("1", model="tiny_gemma2", S7=Outcome.NOT_OFFERED), hostile]
    (folder / "page.html").write_text(
        render_html(make_view(read_sources([write(folder, *runs)], []))), encoding="utf-8"
    )
    return folder / "page.html"


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    assert CHROMIUM is not None
    with open_tab(CHROMIUM, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_the_page_requests_logs_and_overflows_nothing_and_is_accessible(
    tab: Tab, page: Path, view: tuple[int, bool]
) -> None:
    tab.events.clear()
    tab.show(page, *view)
    assert tab.requested() == [page.resolve().as_uri()]
    assert tab.complaints() == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= view[0]
    if AXE:
        tab.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
        tab.evaluate(AXE.read_text(encoding="utf-8") + ";1")
        assert tab.evaluate(SEVERE) == []


def test_a_phone_shows_results_beside_the_first_column(tab: Tab, page: Path) -> None:
    """Its heading is also aligned with the table, at every width."""
    tab.show(page, 390, False)
    edges = "['th.clause', 'tbody.row td'].map(part => document.querySelector(part).getBoundingClientRect().right)"
    heading, first = tab.evaluate(edges)
    assert heading < 200
    assert first < 390
    tab.show(page, 1500, False)
    lefts = "['header', 'main', 'footer'].map(part => document.querySelector(part).getBoundingClientRect().left)"
    assert len(set(tab.evaluate(lefts))) == 1


def test_search_failures_only_and_a_cell_that_opens(tab: Tab, page: Path) -> None:
    tab.show(page, *VIEWS[0])
    assert len(tab.evaluate(ROWS)) == 4
    tab.evaluate("document.getElementById('only').click()")
    (failing,) = tab.evaluate(ROWS)
    assert "probe 2" in failing
    tab.evaluate("document.getElementById('only').click()")
    typed = "search.value = 'probe gemma2'; search.dispatchEvent(new Event('input'))"
    tab.evaluate(f"{{ const search = document.getElementById('search'); {typed} }}")
    (found,) = tab.evaluate(ROWS)
    assert "not offered" in found
    tab.evaluate("document.querySelector('tbody.row:not([hidden]) a.word').click()")
    assert tab.evaluate("document.querySelector('tbody.row:not([hidden]) details.drop').checkVisibility()")
