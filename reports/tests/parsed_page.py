"""An HTML page parsed with the standard library: what a browser would run, load, show and label."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser

from reports.page.html import render_page
from reports.verdicts import judge
from steering_core.records.record import Run

_HIDDEN = {"script", "style", "title"}
_VOID = {"meta", "link", "br", "img", "input", "hr", "wbr"}


@dataclass
class Parsed(HTMLParser):
    """tags: every start tag with its attributes. pieces: shown text, in order. raw: content of scripts and styles."""

    page: str
    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    raw: dict[str, list[str]] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.feed(self.page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser."""
        self.handle_startendtag(tag, attrs)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser for a tag that closes itself."""
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        """Called by the parser; an end tag must close the innermost open tag."""
        if self.open[-1:] != [tag]:
            raise AssertionError(f"</{tag}> closes {self.open[-3:]}")
        self.open.pop()

    def handle_data(self, data: str) -> None:
        """Called by the parser."""
        if self.open and self.open[-1] in _HIDDEN:
            self.raw.setdefault(self.open[-1], []).append(data)
        else:
            self.pieces.append(data)

    @property
    def text(self) -> str:
        """All shown text, with whitespace collapsed."""
        return " ".join(" ".join(self.pieces).split())

    def all(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        """The attributes of every such tag that has these among them."""
        return [present for name, present in self.tags if name == tag and attributes.items() <= present.items()]


@cache
def rendered(build: Callable[[], Run]) -> str:
    """The page of a synthetic run, rendered once for all tests that read it."""
    return render_page(build(), judge(build()))


@cache
def parsed(build: Callable[[], Run]) -> Parsed:
    """The same, parsed."""
    return Parsed(rendered(build))
