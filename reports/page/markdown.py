"""report.md: the page for places that show Markdown. What a model wrote becomes no link, image, HTML or mention."""

import re
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.page.exports import Table, show
from reports.page.html import HERE, LONGEST, PASSAGE, PASSAGE_LINES, capital
from reports.page.view import view_run
from reports.run.cell_grid import DECLARED, SYMBOLS
from reports.untrusted import plain
from reports.verdicts import Verdict
from steering_core.records.record import Run

_SPECIAL = re.compile(r"[\\`*_{}\[\]#|~$]|^[-+=]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ADDRESSES = {
    re.compile(r":(?=//)"): "&#58;",
    re.compile(r"\bwww\."): "www&#46;",
    re.compile(r"@(?=[A-Za-z])"): "@<!-- -->",
}
"""What GitHub links by itself: addresses, and names after an at sign, which only a comment between them stops."""


def render_markdown(run: Run, verdict: Verdict) -> str:
    """The whole report as text."""
    made = Environment(
        loader=FileSystemLoader(HERE), autoescape=False, undefined=StrictUndefined, finalize=escape_inline,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    made.filters.update({"table": table, "quote": quote, "code": code, "capital": capital})
    symbols = {str(outcome): Markup(f"`{symbol}`") for outcome, symbol in SYMBOLS.items()}
    symbols["declared"] = Markup(f"`{DECLARED}`")
    text = made.get_template("report.md.j2").render(report=view_run(run, verdict), symbols=symbols)
    return re.sub(r"\n{3,}", "\n\n", text)


def escape_inline(value: Any) -> str:
    """Text that means only itself in Markdown; numbers as `show` writes them, own markup as it is."""
    if isinstance(value, Markup):
        return str(value)
    if not isinstance(value, str):
        return show(value)
    text = "".join(_ENTITIES.get(character, character) for character in plain(value, LONGEST))
    text = _SPECIAL.sub(_backslash, text)
    for pattern, harmless in _ADDRESSES.items():
        text = pattern.sub(harmless, text)
    return text


def table(content: Table) -> Markup:
    """A pipe table; a note where there are no rows."""
    if not content.rows:
        return Markup("Not measured in this run.\n")
    rule = (Markup("---"),) * len(content.columns)
    lines = [" | ".join(map(escape_inline, row)) for row in (content.columns, rule, *content.rows)]
    return Markup("\n".join(f"| {line} |" for line in lines) + "\n")


def quote(text: str) -> Markup:
    """A model's answer as a block quote, line by line; not a code block, which a viewer without Markdown shows raw."""
    lines = text[: PASSAGE + 1].split("\n")
    cut = [Markup("*(cut)*")] if len(text) > PASSAGE or len(lines) > PASSAGE_LINES else []
    shown = [escape_inline(line[:PASSAGE].strip()) for line in lines[:PASSAGE_LINES]]
    return Markup("\n".join(f"> {line}  " for line in (*shown, *cut)))


def code(text: str) -> Markup:
    """A command as inline code that it cannot leave."""
    line = plain(text, LONGEST)
    marks = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return Markup(f"{marks} {line} {marks}" if "`" in line else f"`{line}`")


def _backslash(found: re.Match[str]) -> str:
    """`_` between letters and `~` between blanks mean nothing, and stay readable."""
    before, after = found.string[: found.start()][-1:], found.string[found.end() :][:1]
    inside_word = found[0] == "_" and before.isalnum() and after.isalnum()
    return found[0] if inside_word or (found[0] == "~" and before == after == " ") else f"\\{found[0]}"
