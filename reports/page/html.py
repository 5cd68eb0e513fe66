"""report.html: one file, no network, no script but its own, and no model output ever read as markup."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from reports.page.drawings import draw_all
from reports.page.exports import show
from reports.page.paths import shorten_paths
from reports.page.svg import Canvas
from reports.page.view import FOLDER, long_tables, view_run
from reports.untrusted import plain
from reports.verdicts import Verdict
from steering_core.records.record import Run

HERE = Path(__file__).parent
LONGEST = 700
PASSAGE = 600
PASSAGE_LINES = 14
_WORD = re.compile(r"(?:'[^']*'|\"[^\"]*\"|[^\s'\"]|['\"])+")
"""A word of a command, with the blanks of its quoted parts."""
_SEAM = re.compile(r"(?<=[_\-./:])(?=\w)|(?<=[a-z0-9])(?=[A-Z])")
"""Where one word of a name ends and the next begins."""


def render_page(run: Run, verdict: Verdict) -> str:
    """The whole page as text."""
    return "".join(page_pieces(run, verdict, view_run(run, verdict)))


def page_pieces(run: Run, verdict: Verdict, view: dict[str, Any]) -> Iterator[str]:
    """The page piece by piece, because that of a large run takes several times the memory of its text as one."""
    canvas = Canvas()
    drawings = draw_all(canvas, run)
    style, script = _assets(canvas.css)
    template = page_templates().get_template("template.html.j2")
    assets = {"policy": policy(style, script), "style": Markup(style), "script": Markup(script), "folder": FOLDER}
    yield from template.generate(report=view, drawings=drawings, **assets)


def render_beside(view: dict[str, Any], page: str) -> Iterator[tuple[str, str]]:
    """(name, text) of each file beside the page of a large run: a page per model, and the tables that are too long.

    page: the name of the page, to which the others link.
    """
    style, script = _assets("")
    assets = {"policy": policy(style, script), "style": Markup(style), "script": Markup(script), "page": page}
    template = page_templates().get_template("model.html.j2")
    for grid in view["grids"] if view["beside"] else ():
        yield f"{grid.anchor}.html", template.render(grid=grid, folder="", **assets)
    for name, table in long_tables(view).items():
        yield f"{name}.csv", table.csv


def _assets(css: str) -> tuple[str, str]:
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("style.css", "page.js"))
    return style + css, script


def page_templates(*folders: Path) -> Environment:
    """The templates of pages: those of the report, and those of further folders, which may use its parts."""
    return environment(True, neutralize, (*folders, HERE), **FILTERS)


def breakable(name: str) -> Markup:
    """A name that a browser breaks only between its words: `steering_<wbr>library`."""
    return Markup("<wbr>").join(map(escape, _SEAM.split(neutralize(name))))


def environment(
    autoescape: bool,
    finalize: Callable[[Any], Any],
    folder: Path | Sequence[Path] = HERE,
    **filters: Callable[..., Any],
) -> Environment:
    """The templates of a folder, or of several; everything they print passes `finalize` first."""
    strict: dict[str, Any] = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    templates = Environment(loader=FileSystemLoader(folder), autoescape=autoescape, finalize=finalize, **strict)
    templates.filters.update(filters)
    return templates


def policy(style: str, script: str) -> str:
    """A content security policy under which nothing runs or loads except this style and script."""
    sources = f"style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src data:"
    return f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'"


def neutralize(value: Any) -> Any:
    """What a template prints: our own markup unchanged, all else as one bounded line without control characters and
    without the paths of the machine."""
    if isinstance(value, Markup):
        return value
    return shorten_paths(plain(value if isinstance(value, str) else show(value), LONGEST))


def passage(text: str) -> Markup:
    """A model's answer with its own line breaks, bounded, and with nothing that could move or hide text."""
    lines, cut = cut_passage(text)
    shown = "\n".join(plain(line, PASSAGE) for line in lines)
    return escape(shown[:PASSAGE] + (" … (cut)" if cut else ""))


def cut_passage(text: str) -> tuple[list[str], bool]:
    """The first lines of a model's answer, and whether there is more of it."""
    lines = text[: PASSAGE + 1].split("\n")
    return lines[:PASSAGE_LINES], len(text) > PASSAGE or len(lines) > PASSAGE_LINES


def block(text: str) -> Markup:
    """An export, each line neutralized by itself."""
    return escape("\n".join(plain(line, LONGEST) for line in text.split("\n")))


def unbroken(command: str) -> Markup:
    """A command that a browser breaks only before an option, and that is copied as it stands."""
    groups: list[list[str]] = []
    for word in _WORD.findall(neutralize(command)):
        if word.startswith("-") or not groups or not groups[-1][0].startswith("-"):
            groups.append([])
        groups[-1].append(word)
    return Markup(" ").join(Markup("<span>{}</span>").format(" ".join(group)) for group in groups)


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


FILTERS = {"passage": passage, "block": block, "unbroken": unbroken, "breakable": breakable}
"""What templates of pages may use beside those of Jinja."""
