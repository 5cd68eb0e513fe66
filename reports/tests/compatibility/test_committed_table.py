"""The table in the repository: it is made of the results beside it, with the columns of today, and its links lead somewhere."""

import re

from reports.compatibility.columns import read_columns
from reports.compatibility.sources import read_sources
from reports.compatibility.texts import list_badges, list_files
from reports.compatibility.view import BADGES, MARKDOWN, PAGE, make_view
from reports.tests.parsed_page import Parsed
from steering_core.models.registry import read_registry
from steering_core.places import REGISTRY, ROOT

FOLDER = ROOT / "reports"
RESULTS = FOLDER / "results"
TEXT = (FOLDER / MARKDOWN).read_text(encoding="utf-8")


def test_the_columns_are_those_of_the_file_that_defines_them() -> None:
    heads = re.findall(r"^\| version \| libraries \| families \| (.+) \|$", TEXT, re.M)
    assert heads
    assert set(heads) == {" | ".join(column.title for column in read_columns())}


def test_every_link_leads_somewhere_and_every_badge_is_there() -> None:
    page = Parsed((FOLDER / PAGE).read_text(encoding="utf-8"))
    places = re.findall(rf"\]\({PAGE}#([^)]+)\)", TEXT)
    assert len(places) >= 24 * len(read_columns())
    assert set(places) <= {drop["id"] for drop in page.all("details") if "drop" in drop.get("class", "")}
    shown = set(re.findall(rf"^!\[[^]]+\]\({BADGES}/([^)]+)\)", TEXT, re.M))
    assert shown == {file.name for file in (FOLDER / BADGES).iterdir()}


def test_the_built_in_tools_are_measured_on_every_tiny_family() -> None:
    families = {spec.family for spec in read_registry(REGISTRY).values() if spec.tiny}
    for tool in ("hooks", "nnsight", "pyvene"):
        part = TEXT.partition(f"\n## {tool}\n")[2].partition("\n## ")[0]
        named = {
            name for line in part.splitlines() if line.startswith("| ") for name in line.split(" | ")[2].split(", ")
        }
        assert families <= named, tool


def test_the_table_is_the_one_that_the_kept_results_give() -> None:
    view = make_view(read_sources([RESULTS], problems := []), FOLDER)
    assert not problems
    given = {FOLDER / name: text for name, text in list_files(view).items()}
    given |= {FOLDER / BADGES / name: text for name, text in list_badges(view).items()}
    stale = [str(file.relative_to(ROOT)) for file, text in given.items() if file.read_text(encoding="utf-8") != text]
    assert not stale, "python -m reports compatibility reports/results --into reports"


def test_the_kept_results_name_no_folder_of_a_machine() -> None:
    texts = {file.name: file.read_text(encoding="utf-8") for file in RESULTS.iterdir()}
    assert texts
    assert [name for name, text in texts.items() if re.search(r"(?<![\w.])/(home|root|tmp|work)/", text)] == []
