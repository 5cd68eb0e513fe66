"""report.html: one file, no network, no script but its own, and no text of a model ever read as markup."""

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from reports.page.drawings import Drawings, draw_all
from reports.page.exports import show
from reports.page.svg import Canvas
from reports.page.view import view_run
from reports.untrusted import plain
from reports.verdicts import Verdict
from steering_core.records.record import Run

HERE = Path(__file__).parent
LONGEST = 700
PASSAGE = 600
PASSAGE_LINES = 14
DOCTYPE = "<!doctype html>\n"


def render_page(run: Run, verdict: Verdict) -> str:
    """The whole page as text."""
    canvas = Canvas()
    drawings: Drawings = draw_all(canvas, run)
    style = (HERE / "style.css").read_text(encoding="utf-8") + canvas.css
    script = (HERE / "copy.js").read_text(encoding="utf-8")
    template = environment().get_template("template.html.j2")
    own = {"policy": policy(style, script), "style": Markup(style), "script": Markup(script)}
    return DOCTYPE + template.render(report=view_run(run, verdict), drawings=drawings, **own)


def policy(style: str, script: str) -> str:
    """A content security policy under which nothing runs or loads but this very style and script."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def environment() -> Environment:
    """Templates that escape; everything they print passes `neutralise` first."""
    made = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, finalize=neutralise,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    filters: dict[str, Callable[..., Any]] = {"passage": passage, "block": block, "capital": capital}
    made.filters.update(filters)
    return made


def neutralise(value: Any) -> Any:
    """What a template prints: markup of our own as it is, all else as one bounded line without control characters."""
    if isinstance(value, Markup):
        return value
    return plain(value, LONGEST) if isinstance(value, str) else show(value)


def passage(text: str) -> Markup:
    """A model's answer: its own line breaks, but no more than fits, and nothing that could move or hide."""
    lines = text[: PASSAGE + 1].split("\n")
    shown = "\n".join(plain(line, PASSAGE) for line in lines[:PASSAGE_LINES])
    cut = len(text) > PASSAGE or len(lines) > PASSAGE_LINES
    return escape(shown[:PASSAGE] + (" … (cut)" if cut else ""))


def block(text: str) -> Markup:
    """Lines of an export, each neutralised by itself."""
    return escape("\n".join(plain(line, LONGEST) for line in text.split("\n")))


def capital(text: str) -> str:
    """With a capital first letter."""
    return text[:1].upper() + text[1:]


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
