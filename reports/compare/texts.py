"""A comparison as text for a terminal, as Markdown and as HTML."""

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from reports.compare.changes import Change, Comparison
from reports.compare.inputs import Side
from reports.page.exports import Table
from reports.page.html import HERE as PAGE_FOLDER
from reports.page.html import environment, neutralize, policy
from reports.page.markdown import escape_inline, table
from reports.terminal.screen import write_lines

HERE = Path(__file__).parent
LISTED = 20
"""Changes of a kind on the screen; the files have all."""


def summarize(comparison: Comparison) -> str:
    """What changed, in one sentence."""
    counts = [
        f"{len(comparison.outcomes)} of {comparison.cells} checks changed their outcome",
        _count(len(comparison.numbers), "number"),
        _count(len(comparison.versions), "version"),
    ]
    return f"{counts[0]}; {counts[1]} and {counts[2]} changed."


def render_text(a: Side, b: Side, comparison: Comparison, width: int, color: bool) -> str:
    """What changed, the first changes of each kind."""
    items = [("A", _describe(a)), ("B", _describe(b)), ("Changed", summarize(comparison))]
    kinds = {"Version": comparison.versions, "Outcome": comparison.outcomes, "Number": comparison.numbers}
    for label, changes in kinds.items():
        items += _lines(label, changes)
    return write_lines(items, width, color)


def render_markdown(a: Side, b: Side, comparison: Comparison) -> str:
    """Every change, in tables."""
    parts = ["# Comparison of two runs", escape_inline(summarize(comparison)), table(_sides(a, b))]
    for content in list_tables(comparison):
        parts += [f"## {content.caption}", table(content) if content.rows else "None changed."]
    return "\n\n".join(map(str, parts)) + "\n"


def render_html(a: Side, b: Side, comparison: Comparison) -> str:
    """The same as one file without a script."""
    style = (PAGE_FOLDER / "style.css").read_text(encoding="utf-8")
    template = environment(True, neutralize, HERE).get_template("compare.html.j2")
    tables = [_sides(a, b), *list_tables(comparison)]
    assets = {"style": Markup(style), "policy": policy(style, "")}
    return template.render(summary=summarize(comparison), tables=tables, **assets)


def list_files(a: Side, b: Side, comparison: Comparison) -> dict[str, str]:
    """{name: text} of what `--into` writes; a table that is too long for the page is a file of its own."""
    texts = {"compare.md": render_markdown(a, b, comparison), "compare.html": render_html(a, b, comparison)}
    long = [content for content in list_tables(comparison) if content.unlisted]
    return texts | {f"compare-{content.caption.lower()}.csv": content.csv for content in long}


def list_tables(comparison: Comparison) -> list[Table]:
    """A table per kind of change."""
    kinds = {"Versions": comparison.versions, "Outcomes": comparison.outcomes, "Numbers": comparison.numbers}
    return [
        Table(name, ("what", "A", "B", "in B"), tuple((c.where, c.before, c.after, c.note) for c in changes))
        if name == "Outcomes"
        else Table(name, ("what", "A", "B"), tuple((c.where, c.before, c.after) for c in changes))
        for name, changes in kinds.items()
    ]


def _sides(a: Side, b: Side) -> Table:
    rows = tuple((name, side.name, side.started, side.verdict.label) for name, side in (("A", a), ("B", b)))
    return Table("Runs", ("run", "directory", "started, UTC", "verdict"), rows)


def _describe(side: Side) -> str:
    return f"{side.name}, {side.started} UTC: {side.verdict.label}"


def _lines(label: str, changes: Sequence[Change]) -> list[tuple[str, str]]:
    lines = [
        f"{change.where}: {change.before} → {change.after}{f' ({change.note})' if change.note else ''}"
        for change in changes[:LISTED]
    ]
    if (rest := len(changes) - LISTED) > 0:
        lines.append(f"and {rest} more: --into DIR writes all of them")
    return [(label if index == 0 else "", line) for index, line in enumerate(lines)]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
