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


def write_page(directory: Path, run: Run, verdict: Verdict) -> Path:
    """Write report.html, one file that needs no network; ArtifactProblem when the directory cannot be written."""
    from reports.page.html import render_page

    return _write(directory, PAGE, render_page(run, verdict))


def write_markdown(directory: Path, run: Run, verdict: Verdict) -> Path:
    """Write report.md; ArtifactProblem when the directory cannot be written."""
    from reports.page.markdown import render_markdown

    return _write(directory, MARKDOWN, render_markdown(run, verdict))


def write_badge(directory: Path, verdict: Verdict) -> Path:
    """Write badge.svg; ArtifactProblem when the directory cannot be written."""
    from reports.page.badge import render_badge

    return _write(directory, BADGE, render_badge(verdict))


def write_views(directory: Path, run: Run, verdict: Verdict) -> list[Path]:
    """Write all three; returns where they are."""
    return [
        write_page(directory, run, verdict),
        write_markdown(directory, run, verdict),
        write_badge(directory, verdict),
    ]


def _write(directory: Path, name: str, text: str) -> Path:
    replace_files(directory, {name: text})
    return directory / name
