"""The page in a real browser: model output never executes, nothing is requested or logged, and it fits a phone.

axe-core, from the package axe-core-python, checks its accessibility.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reports.page import PAGE, write_views
from reports.page.html import render_page
from reports.review.render import render_html
from reports.review.sheet import make_sheet
from reports.tests.browser import Tab, find_axe, find_chromium, open_tab
from reports.tests.sweep_run import swept
from reports.tests.synthetic_run import MODELS, agreeing, diverging, hostile, one_fault, sweep
from reports.tests.test_page_safety import NASTY
from reports.verdicts import judge

CHROMIUM = find_chromium()
AXE = find_axe()
RUNS = {
    "agree": agreeing(),
    "fault": one_fault(),
    "sweep": sweep(diverging(), MODELS[0], {2.0: "N" * 30, 16.0: "G" * 30}),
    "sweeps": swept(("qwen7b",)),
    "hostile": hostile(" ".join(text[:2000] for text in NASTY.values()) + " http://canary.invalid/x"),
}
VIEWS = [(1280, False), (1280, True), (390, False), (390, True)]
PAIRED = [(1280, False), (390, True)]
"""Both widths and both schemes: colors follow from the scheme alone, and what is where from the width alone."""
SEVERE = """axe.run(document, {resultTypes: ["violations"]}).then(results => results.violations
  .filter(rule => ["serious", "critical"].includes(rule.impact)).map(rule => rule.id + " " + rule.nodes[0].html))"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH: the page is checked without a browser")


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """One browser for all tests of this file."""
    assert CHROMIUM is not None
    with open_tab(CHROMIUM, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every run's page, written once."""
    paths = {name: tmp_path_factory.mktemp(name) / PAGE for name in RUNS}
    for name, run in RUNS.items():
        paths[name].write_text(render_page(run, judge(run)), encoding="utf-8")
    return paths


def show(tab: Tab, file: Path, view: tuple[int, bool]) -> None:
    tab.events.clear()
    tab.show(file, *view)


@pytest.mark.parametrize("view", VIEWS, ids=str)
@pytest.mark.parametrize("name", RUNS)
def test_page_requests_logs_and_overflows_nothing(
    tab: Tab, pages: dict[str, Path], name: str, view: tuple[int, bool]
) -> None:
    show(tab, pages[name], view)
    assert tab.requested() == [pages[name].resolve().as_uri()]
    assert tab.complaints() == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= view[0]


def test_policy_blocks_an_injected_script(tab: Tab, pages: dict[str, Path], tmp_path: Path) -> None:
    injected = "<script>window.ran = 1</script></main>"
    page = pages["agree"].read_text(encoding="utf-8").replace("</main>", injected)
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    show(tab, tmp_path / "page.html", VIEWS[0])
    assert tab.evaluate("window.ran === undefined")
    assert any("Content Security Policy" in complaint for complaint in tab.complaints())


def test_dark_mode_changes_the_background(tab: Tab, pages: dict[str, Path]) -> None:
    backgrounds = []
    for dark in (False, True):
        show(tab, pages["agree"], (1280, dark))
        backgrounds.append(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert backgrounds == ["rgb(255, 255, 255)", "rgb(18, 24, 31)"]


def test_cell_opens_over_the_full_width_of_a_phone(tab: Tab, pages: dict[str, Path]) -> None:
    show(tab, pages["fault"], (390, False))
    tab.evaluate("document.querySelector('a.word.differs').click()")
    assert tab.evaluate("document.querySelector('details.differs[open]').getBoundingClientRect().width") > 320


def test_cell_opens_below_its_row_and_escape_closes_it(tab: Tab, pages: dict[str, Path]) -> None:
    show(tab, pages["fault"], VIEWS[0])
    link, cell = "document.querySelector('a.word.differs')", "document.querySelector('details.drop.differs')"
    assert tab.evaluate(f"{cell}.getBoundingClientRect().height") == 0
    tab.evaluate(f"{link}.click()")
    assert tab.evaluate(f"{cell}.getBoundingClientRect().top >= {link}.getBoundingClientRect().bottom")
    heading, row = (f"{cell}.querySelector('{part}').getBoundingClientRect()" for part in ("thead th", "td"))
    assert tab.evaluate(f"{heading}.bottom <= {row}.top + 1"), "the numbers' heading covers none of them"
    tab.evaluate(f"{cell}.dispatchEvent(new KeyboardEvent('keydown', {{key: 'Escape', bubbles: true}}))")
    assert tab.evaluate(f"[{cell}.open, document.activeElement === {link}]") == [False, True]


def search_and_filter(tab: Tab) -> None:
    """On a page with one failing check."""
    rows = "[...document.querySelectorAll('tbody.row')].filter(row => row.checkVisibility()).map(row => row.innerText)"
    tab.evaluate("document.getElementById('only').click()")
    (failing,) = tab.evaluate(rows)
    assert "P1 location" in failing
    tab.evaluate("document.getElementById('only').click()")
    typed = "search.value = 'P2 gemma2'; search.dispatchEvent(new Event('input'))"
    tab.evaluate(f"{{ const search = document.getElementById('search'); {typed} }}")
    (found,) = tab.evaluate(rows)
    assert "P2 shape" in found


def test_search_and_failures_only_leave_the_rows_asked_for(tab: Tab, pages: dict[str, Path]) -> None:
    show(tab, pages["fault"], VIEWS[0])
    search_and_filter(tab)


def test_search_and_failures_only_work_on_the_page_of_a_large_run(
    tab: Tab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its checks open on pages of their own; their rows are found on the main page."""
    monkeypatch.setattr("reports.page.view.LARGE", 10)
    show(tab, write_views(tmp_path, RUNS["fault"], judge(RUNS["fault"]))[0], VIEWS[2])
    search_and_filter(tab)
    assert tab.complaints() == []


def test_copy_button_copies_or_selects_the_table(tab: Tab, pages: dict[str, Path]) -> None:
    show(tab, pages["agree"], VIEWS[0])
    assert tab.evaluate("[...document.querySelectorAll('button')].every(button => !button.hidden)")
    tab.evaluate("document.querySelector('button').click()")
    tab.evaluate("new Promise(done => setTimeout(done, 500))")
    assert tab.evaluate("document.querySelector('button').textContent") in ("Copied", "Selected: press Ctrl+C")


@pytest.mark.skipif(not AXE, reason="axe-core-python is not installed")
@pytest.mark.parametrize("opened", [False, True], ids=["closed", "opened"])
@pytest.mark.parametrize("view", PAIRED, ids=str)
@pytest.mark.parametrize("name", RUNS)
def test_axe_finds_nothing_serious(
    tab: Tab, pages: dict[str, Path], name: str, view: tuple[int, bool], opened: bool
) -> None:
    show(tab, pages[name], view)
    if opened:
        tab.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    tab.evaluate(AXE.read_text(encoding="utf-8") + ";1")
    assert tab.evaluate(SEVERE) == []


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_review_sheet_fits_every_screen_and_can_be_used(tab: Tab, tmp_path: Path, view: tuple[int, bool]) -> None:
    file = tmp_path / "review.html"
    file.write_text(render_html(make_sheet(swept(("qwen7b",)).records)), encoding="utf-8")
    show(tab, file, view)
    assert tab.requested() == [file.resolve().as_uri()]
    assert tab.complaints() == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= view[0]
    if AXE:
        tab.evaluate(AXE.read_text(encoding="utf-8") + ";1")
        assert tab.evaluate(SEVERE) == []
