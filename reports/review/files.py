"""The files of a review in a run directory: the sheet in two forms, and what was read back."""

from pathlib import Path

from pydantic import ValidationError

from reports.review.marks import read_marks
from reports.review.sheet import make_sheet
from reports.run.problems import refusing
from reports.run.storage import read_bytes, replace_files
from reports.run.strict_json import decode, dump, parse
from reports.sweeps.review import Review, ReviewCount, count_reviews, records_of, sweep_digest
from reports.untrusted import plain
from steering_core.errors import ArtifactProblem
from steering_core.records.record import Cell, Run

SHEET, PRINTED, REVIEW = "review.md", "review.html", "review.json"


def write_sheet(directory: Path, run: Run) -> list[Path]:
    """Write both forms; a sheet that someone has begun to mark is never overwritten."""
    from reports.review.render import render_html, render_markdown

    sheet = make_sheet(run.records)
    texts = {SHEET: render_markdown(sheet), PRINTED: render_html(sheet)}
    file = directory / SHEET
    if file.exists() and decode(read_bytes(file), SHEET) != texts[SHEET]:
        sentence = f"{plain(str(file), 200)} already exists, and is marked or is about other records"
        hint = f"read it back with --read {SHEET}, or move it away"
        raise ArtifactProblem("review-exists", sentence, hint)
    replace_files(directory, texts)
    return [directory / name for name in texts]


def keep_review(directory: Path, run: Run, file: Path) -> Review:
    """Read a marked sheet and keep it in the run directory, in place of an earlier one."""
    name = plain(file.name, 120)
    review = read_marks(decode(read_bytes(file), name), name, make_sheet(run.records))
    replace_files(directory, {REVIEW: dump(review.model_dump(mode="json", by_alias=True), REVIEW) + "\n"})
    return review


def read_review(directory: Path, run: Run) -> Review | None:
    """The kept review; None where there is none. ArtifactProblem when it is damaged or about other records."""
    file = directory / REVIEW
    if not file.exists():
        return None
    content = dump(parse(decode(read_bytes(file), REVIEW), REVIEW), REVIEW)
    with refusing("review-fields", REVIEW, "read the marked sheet again", ValidationError):
        review = Review.model_validate_json(content, strict=True)
    read = records_of((text.cell for text in review.texts), run.records)
    if review.records != (digest := sweep_digest(read)):
        sentence = f"{REVIEW} is about other records ({review.records[:12]}) than those of the run ({digest[:12]})"
        raise ArtifactProblem("review-records", sentence, "write the sheet again: python -m reports review RUN")
    return review


def count_kept(path: Path, run: Run) -> dict[Cell, ReviewCount]:
    """What the review beside a run says, by condition; empty where there is none. path: the run's directory, or a file
    in it. See `read_review` for what is refused.
    """
    review = read_review(path if path.is_dir() else path.parent, run)
    return count_reviews(review) if review else {}
