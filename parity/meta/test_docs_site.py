"""The site of docs/ (`make docs` builds it): every page is in its navigation, and links to files of the project lead to pages."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from docs.project_pages import PAGES, PLACEHOLDER, ROOT, site_link, web_address
from parity.meta.documented_commands import read_pages

SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))


def pages(navigation: Any) -> Iterator[str]:
    """The pages that a part of the navigation names."""
    if isinstance(navigation, str):
        yield navigation
    else:
        for each in navigation.values() if isinstance(navigation, dict) else navigation:
            yield from pages(each)


def test_every_page_is_in_the_navigation_once() -> None:
    written = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]

    assert sorted(pages(SITE["nav"])) == sorted([*written, *(f"project/{name}" for name in PAGES)]), "mkdocs.yml, nav"


def test_the_site_loads_nothing_from_elsewhere_and_broken_links_end_the_build() -> None:
    assert SITE["strict"] is True
    assert SITE["theme"]["font"] is False
    assert set(SITE["validation"]["links"].values()) == {"warn"}


@pytest.mark.parametrize(
    ("place", "target", "link"),
    [
        ("clauses.md", "../reports/fault_matrix.md", "project/reports/fault_matrix.md"),
        ("author/README.md", "../../CHANGELOG.md", "../project/CHANGELOG.md"),
        ("project/README.md", "docs/certify.md", "../certify.md"),
        ("project/README.md", "docs/report.png", "../report.png"),
        ("project/README.md", "parity/README.md", "parity/README.md"),
        ("project/parity/README.md", "../docs/tools.md", "../../tools.md"),
        ("certify.md", "tools.md", "tools.md"),
        ("project/reports/compatibility.md", "compatibility.html", "compatibility.html"),
        ("compatibility.md", "../reports/compatibility.html", "project/reports/compatibility.html"),
        ("certify.md", "../setup.py", "../setup.py"),
    ],
)
def test_a_link_leads_to_the_page_of_its_file(place: str, target: str, link: str) -> None:
    assert site_link(place, target) == link


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("git@github.com:someone/steering-parity.git", "https://github.com/someone/steering-parity"),
        ("https://token:x@gitlab.com/a/b/c.git", "https://gitlab.com/a/b/c"),
        ("ssh://git@example.org/someone/fork", "https://example.org/someone/fork"),
        ("/home/someone/steering-parity", None),
        ("", None),
    ],
)
def test_the_site_names_the_repository_that_it_is_built_from(remote: str, address: str | None) -> None:
    assert web_address(remote) == address


def test_every_page_names_the_repository_by_the_placeholder_and_says_what_it_is() -> None:
    lines = [line for text in read_pages().values() for line in text.splitlines() if "OWNER/" in line]

    assert len(lines) >= 4
    assert all("OWNER/steering-parity" in line and "address" in line for line in lines), lines
    assert any(PLACEHOLDER in line for line in lines)
