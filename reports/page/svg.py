"""matplotlib figures as inline SVG that follows the page: its fonts, its colors in light and dark, its strict CSP."""

import re
from collections.abc import Callable
from hashlib import sha256
from io import StringIO

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from reports.untrusted import plain

WORDS = 700
INK, MUTED, PAPER = "#010101", "#020202", "#030303"
SERIES = {"coherent": "#040404", "garbled": "#050505", "normal": "#060606", "unscored": "#070707"}
ON_SERIES = "#080808"
_VARIABLES = {
    INK: "--ink", MUTED: "--muted", PAPER: "--paper", ON_SERIES: "--on-series",
    **{color: f"--{name}" for name, color in SERIES.items()},
}  # fmt: skip
"""Colors that no figure uses for itself; each becomes a variable of the style sheet."""

_SETTINGS = {
    "svg.fonttype": "none", "svg.hashsalt": "steering", "text.parse_math": False, "font.size": 9,
    "hatch.linewidth": 0.6,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": MUTED, "xtick.color": MUTED, "ytick.color": MUTED,
    "xtick.labelcolor": INK, "ytick.labelcolor": INK, "hatch.color": PAPER, "axes.spines.top": False,
    "axes.spines.right": False, "legend.frameon": False, "figure.facecolor": "none", "axes.facecolor": "none",
    "savefig.facecolor": "none", "font.family": "DejaVu Sans",
}  # fmt: skip
_STYLE = re.compile(r'style="([^"]*)"')
_FILL = re.compile(r'fill="(#0\d0\d0\d)"')
_BLOCK = re.compile(r"<style.*?</style>", re.S)
_HEAD = re.compile(r"^.*?<svg", re.S)
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.S)


class Canvas:
    """Collects the inline styles of figures as classes, because the page's CSP refuses style attributes."""

    def __init__(self) -> None:
        self._classes: dict[str, str] = {}

    def draw(self, name: str, title: str, size: tuple[float, float], paint: Callable[[Figure], None]) -> Markup:
        """Paint a figure of `size` inches and return it as one <svg>; `name` keeps its ids apart from the others'."""
        with mpl.rc_context(_SETTINGS):
            figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.06, compress=True))
            paint(figure)
            out = StringIO()
            figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
        return self._adopt(out.getvalue(), f"f{sha256(name.encode(errors='replace')).hexdigest()[:8]}-", title)

    @property
    def css(self) -> str:
        """One rule per distinct style."""
        return "\n".join(f".{name}{{{style}}}" for style, name in self._classes.items())

    def _adopt(self, svg: str, prefix: str, title: str) -> Markup:
        body = _METADATA.sub("", _BLOCK.sub("", _HEAD.sub("<svg", svg)))
        for written in (' id="', "url(#", 'href="#'):
            body = body.replace(written, f"{written}{prefix}")
        body = _FILL.sub(r'style="fill: \1"', body)
        body = _STYLE.sub(lambda found: f'class="{self._class(found[1])}"', body)
        return Markup(body.replace("<svg", f'<svg role="img" aria-label="{escape(plain(title, WORDS))}"', 1))

    def _class(self, style: str) -> str:
        style = re.sub(r"font: ([\d.]+)px [^;]*", r"font-size: \1px", style)
        for color, variable in _VARIABLES.items():
            style = style.replace(color, f"var({variable})")
        return self._classes.setdefault(style, f"m{len(self._classes)}")


def label(text: str, limit: int = 22) -> str:
    """A name for a figure: short, and in characters that every font has."""
    return plain(text, limit).encode("ascii", "replace").decode()
