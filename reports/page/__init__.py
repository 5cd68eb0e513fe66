"""Views of a stored run for people: a self-contained HTML page, the same as Markdown, and a badge.

Each is a pure function of records and verdict and can be rendered again at any time. Drawing libraries are imported
only when something is drawn.
"""

from pathlib import Path

from reports.run.storage import replace_files
from reports.verdicts import Verdict
from steering_core.records.record import Run

PAGE = "report.html"
MARKDOWN = "report.md"
BADGE = "badge.svg"


def write_views(directory: Path, run: Run, verdict: Verdict, history: Path | None = None) -> list[Path]:
    """Write all three, or none: ArtifactProblem when the directory cannot be written. Returns their paths.

    Of a large run, the checks of each model and long tables are written first, into a folder beside the page.
    history: a directory of earlier runs, whose trend is shown.
    """
    from reports.page.badge import render_badge
    from reports.page.history import read_trend
    from reports.page.html import page_pieces, render_beside
    from reports.page.markdown import render_markdown
    from reports.page.view import FOLDER, view_run

    view = view_run(run, verdict, read_trend(history, directory, run, verdict) if history else None)
    beside = set()
    for name, text in render_beside(view, PAGE):
        replace_files(directory / FOLDER, {name: text})
        beside.add(name)
    page, markdown = page_pieces(run, verdict, view), render_markdown(run, verdict, view)
    replace_files(directory, {PAGE: page, MARKDOWN: markdown, BADGE: render_badge(verdict)})
    for file in (directory / FOLDER).glob("*.*"):
        if file.name not in beside and file.suffix in (".html", ".csv"):
            file.unlink(missing_ok=True)  # of an earlier rendering, to which nothing links any more
    return [directory / name for name in (PAGE, MARKDOWN, BADGE)]
