"""badge.svg: the conclusion in one small picture, in words as well as in color."""

from markupsafe import escape

from reports.page.words import tone_of
from reports.verdicts import Verdict

NAME = "steering parity"
COLORS = {"good": "#0a6b4f", "bad": "#b3261e", "open": "#7a5000"}
PER_CHARACTER, PADDING = 7, 12
SHAPE = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{title}">
<title>{title}</title>
<rect width="{width}" height="20" rx="3" fill="{color}"/>
<path d="M3 0h{inner}v20H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z" fill="#39434d"/>
<g fill="#ffffff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">
<text x="{left}" y="14" textLength="{name_length}">{name}</text>
<text x="{right}" y="14" textLength="{word_length}">{word}</text>
</g>
</svg>
"""


def render_badge(verdict: Verdict) -> str:
    """The badge as SVG text; widths follow the number of characters, so no font has to be measured."""
    word = verdict.conclusion.label.lower()
    name_length, word_length = len(NAME) * PER_CHARACTER, len(word) * PER_CHARACTER
    split = name_length + PADDING
    return SHAPE.format(
        width=split + word_length + PADDING, inner=split - 3, left=split / 2, right=split + (word_length + PADDING) / 2,
        name_length=name_length, word_length=word_length, color=COLORS[tone_of(verdict.conclusion)],
        title=escape(f"{NAME}: {word}"), name=NAME, word=escape(word),
    )  # fmt: skip
