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


def write_views(directory: Path, run: Run, verdict: Verdict) -> list[Path]:
    """Write all three, or none: ArtifactProblem when the directory cannot be written. Returns their paths."""
    from reports.page.badge import render_badge
    from reports.page.html import render_page
    from reports.page.markdown import render_markdown

    texts = {PAGE: render_page(run, verdict), MARKDOWN: render_markdown(run, verdict), BADGE: render_badge(verdict)}
    replace_files(directory, texts)
    return [directory / name for name in texts]
