"""A hook of MkDocs: files of the project outside docs/ become pages of the site, and links to them lead there."""

import posixpath
import re
import subprocess
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
PLACEHOLDER = "https://github.com/OWNER/steering-parity"
"""The address of the project in its pages, which name no owner."""
REMOTE = re.compile(r"(?:https://(?:[^@/]+@)?|ssh://git@|git@)([\w.-]+)[:/](.+?)(?:\.git)?/?")
LINK = re.compile(r"(\]\()(?!https?:|#|mailto:)([^)\s#]+)")


def on_files(files: Any, config: Any) -> Any:
    """Called with the files of docs/: adds the project's."""
    from mkdocs.structure.files import File

    for name in (*PAGES, *COPIED):
        content = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, f"project/{name}", content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Called with the text of each page: its links lead to the page that a file of the project has on the site, and its
    commands name the repository that the site is built from."""
    place = page.file.src_uri
    remote = subprocess.run(
        ["git", "remote", "get-url", "origin"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    markdown = markdown.replace(PLACEHOLDER, web_address(remote.stdout.strip()) or PLACEHOLDER)
    return LINK.sub(lambda link: link[1] + site_link(place, link[2]), markdown)


def web_address(remote: str) -> str | None:
    """The address that a browser and pip know, without a password, from what git calls `origin`; None for a folder."""
    match = REMOTE.fullmatch(remote)
    return f"https://{match[1]}/{match[2]}" if match else None


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
