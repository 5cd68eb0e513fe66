"""A hook of MkDocs: files of the project outside docs/ become pages of the site, and links to them lead there."""

import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CHANGELOG.md", "parity/README.md", "reports/compatibility.md", "reports/fault_matrix.md")
"""Files that are pages of the site too, under `project/`."""
COPIED = (
    "reports/compatibility.html",
    *(f"reports/badges/{file.name}" for file in (ROOT / "reports/badges").glob("*.svg")),
)
"""Files that those pages link to or show, at the same place."""
LINK = re.compile(r"(\]\()(?!https?:|#|mailto:)([^)\s#]+)")


def on_files(files: Any, config: Any) -> Any:
    """Called with the files of docs/: adds the project's."""
    from mkdocs.structure.files import File

    for name in (*PAGES, *COPIED):
        content = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, f"project/{name}", content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Called with the text of each page: its links lead to the page that a file of the project has on the site."""
    place = page.file.src_uri
    return LINK.sub(lambda link: link[1] + site_link(place, link[2]), markdown)


def site_link(place: str, target: str) -> str:
    """Where a link of a page leads on the site. place: the page below docs/, or `project/` and its path; target: as in
    the file. A file that is no page of the site keeps its link, which ends the build."""
    named = posixpath.normpath(posixpath.join(posixpath.dirname(in_project(place)), target))
    if named.startswith("docs/"):
        page = named.removeprefix("docs/")
    elif named in (*PAGES, *COPIED):
        page = f"project/{named}"
    else:
        return target
    return posixpath.relpath(page, posixpath.dirname(place) or ".")


def in_project(place: str) -> str:
    """The path of a page's file, relative to the project."""
    return place.removeprefix("project/") if place.startswith("project/") else f"docs/{place}"
