"""The table as Markdown, as a page, and as a badge per tool."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from reports.compatibility.badge import newest_rows, render_badge
from reports.compatibility.kept import SUFFIX, list_kept
from reports.compatibility.rows import build_rows
from reports.compatibility.sources import read_sources
from reports.compatibility.view import BADGES, MARKDOWN, PAGE, View, make_view
from reports.page.html import HERE as PAGE_FOLDER
from reports.page.html import environment, page_templates, policy
from reports.page.markdown import code, escape_inline, table
from reports.run.storage import replace_files

HERE = Path(__file__).parent


def render_markdown(view: View) -> str:
    """The table for places that show Markdown; each cell links to its part of the page."""
    template = environment(False, escape_inline, HERE, code=code, table=table, own=Markup).get_template("table.md.j2")
    return re.sub(r"\n{3,}", "\n\n", template.render(view=view, page=PAGE)) + "\n"


def render_html(view: View) -> str:
    """The page: one file, no network, no script but that of the report page."""
    style, script = ((PAGE_FOLDER / name).read_text(encoding="utf-8") for name in ("style.css", "page.js"))
    template = page_templates(HERE).get_template("table.html.j2")
    assets = {"policy": policy(style, script), "style": Markup(style), "script": Markup(script), "folder": ""}
    return template.render(view=view, **assets)


def list_files(view: View) -> dict[str, str]:
    """{name: text} of what `--into` writes, badges apart."""
    return {PAGE: render_html(view), MARKDOWN: render_markdown(view)}


def list_badges(view: View) -> dict[str, str]:
    """{name: SVG}, for the folder of badges."""
    rows = [line.row for each in view.tables for line in each.lines]
    return {each.badge: render_badge(newest_rows(rows, each.tool)) for each in view.tables}


def write_table(paths: Sequence[Path], folder: Path | None, keep: Path | None = None) -> list[str]:
    """Print the table of these runs as Markdown, or write it to `folder` with its page and badges and print their paths.

    keep: gets the small part of the runs that a table needs, beside what it holds of earlier ones; the table is then made
    of all that. Returns a sentence per run below a named folder that cannot be read.
    """
    passed_over: list[str] = []
    sources = read_sources(paths, passed_over)
    if keep is not None:
        named = {source.sha256 for source in sources}
        earlier = read_sources([keep], passed_over) if any(keep.glob(f"*{SUFFIX}")) else []
        both = [*(each for each in earlier if each.sha256 not in named), *sources]
        _write({keep: list_kept(build_rows(sorted(both, key=lambda each: each.age)))})
        sources = read_sources([keep], passed_over)
    if folder is not None:
        view = make_view(sources, folder)
        _write({folder: list_files(view), folder / BADGES: list_badges(view)})
    elif keep is None:
        print(render_markdown(make_view(sources)), end="")
    return passed_over


def _write(folders: Mapping[Path, Mapping[str, str]]) -> None:
    for place, texts in folders.items():
        replace_files(place, texts)
        print(*(place / name for name in texts), sep="\n")
