"""badge.svg: the conclusion in one small picture, in words as well as in color."""

from markupsafe import escape

from reports.verdicts import Verdict

NAME = "steering parity"
COLORS = {"good": "#0a6b4f", "bad": "#b3261e", "open": "#7a5000"}
"""By the tone of the verdict."""
PER_CHARACTER, PADDING = 7, 12
SHAPE = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{title}">
<title>{title}</title>
<rect width="{width}" height="20" rx="3" fill="{color}"/>
<path d="M3 0h{inner}v20H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z" fill="#39434d"/>
<g fill="#ffffff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">
<text x="{left}" y="14" textLength="{name_length}">{name}</text>
<text x="{right}" y="14" textLength="{label_length}">{label}</text>
</g>
</svg>
"""


def render_badge(verdict: Verdict) -> str:
    """The badge of a run as SVG text."""
    label = verdict.label.lower()
    return draw_badge(NAME, label, verdict.tone, f"{NAME}: {label}")


def draw_badge(name: str, label: str, tone: str, title: str) -> str:
    """Name and label side by side; widths follow the number of characters, so no font has to be measured.

    tone: good | bad | open. title: what a screen reader says.
    """
    name_length, label_length = len(name) * PER_CHARACTER, len(label) * PER_CHARACTER
    split, right = name_length + PADDING, label_length + PADDING
    widths = {"width": split + right, "inner": split - 3, "left": split / 2, "right": split + right / 2}
    lengths = {"name_length": name_length, "label_length": label_length}
    texts = {"name": escape(name), "label": escape(label), "title": escape(title), "color": COLORS[tone]}
    return SHAPE.format(**widths, **lengths, **texts)
