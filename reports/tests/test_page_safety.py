"""No text of a model, a tool or a stranger's file may execute, load, hide or move text, or bloat the page."""

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from typing import Any

import pytest

from reports.page.html import LONGEST, PASSAGE, render_page
from reports.tests.parsed_page import Parsed, rendered
from reports.tests.synthetic_run import agreeing, hostile
from reports.verdicts import judge
from steering_core.records.record import Run

NASTY = {
    "markup": "</pre></style><script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>",
    "attribute": '" onmouseover="alert(1)" style=\'background:url(//canary.invalid)\'',
    "template": "{{ 7*7 }}{% raw %}<b>",
    "ansi": "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "bidi": "\u202eevil\u2066\u200f",
    "nul": "a\x00b\x7f\x85\u2028",
    "long": "A" * 100_000,
    "surrogate": "broken \ud800 text \udfff",
    "lines": "\n" * 5000,
    "math": "$\\frac{a}{b}$ 日本語",
}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@cache
def hostile_page(text: str) -> str:
    run = hostile(text)
    return render_page(run, judge(run))


def named(text: str) -> Run:
    """A run of one model, in which the model and one tool are called `text`."""
    run = agreeing()
    originals = [record for record in run.records if record.cell.model == "tiny_qwen2"]
    new = {"tiny_qwen2": text, "pyvene": text}
    cells = [record.cell.model_copy(update=_renamed(record.cell.model_dump(), new)) for record in originals]
    records = tuple(record.model_copy(update={"cell": cell}) for record, cell in zip(originals, cells, strict=True))
    plan = {"models": (text,), "tools": ("hooks", "nnsight", text), "planned": tuple(cells), "required": tuple(cells)}
    return run.model_copy(update={"plan": run.plan.model_copy(update=plan), "records": records})


def _renamed(cell: dict[str, Any], new: dict[str, str]) -> dict[str, Any]:
    return {field: new.get(str(cell[field]), cell[field]) for field in ("model", "tool", "other")}


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
@pytest.mark.parametrize("where", ["records", "names"])
def test_hostile_text_is_only_text(text: str, where: str) -> None:
    if where == "records":
        page = hostile_page(text)
    else:
        run = named(text)
        page = render_page(run, judge(run))
    parsed = Parsed(page)
    assert len(parsed.all("script")) == 1
    assert not parsed.all("img")
    names = {name for _, attributes in parsed.tags for name in attributes}
    assert not [name for name in names if name.startswith("on") or name == "style"]
    assert not CONTROL.search(page)
    page.encode("utf-8")
    assert len(page) < 1_000_000


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_attributes_hold_no_foreign_address(text: str) -> None:
    for tag, attributes in Parsed(hostile_page(text)).tags:
        for name in ("href", "src", "xlink:href", "action", "data"):
            assert attributes.get(name, "#").startswith(("#", "data:,")), (tag, attributes)


def test_invisible_characters_are_shown_as_escapes() -> None:
    text = Parsed(hostile_page("x\x1b[31m\u202ey")).text
    assert "x\\x1b[31m\\u202ey" in text


def test_long_texts_are_cut_and_marked() -> None:
    page = Parsed(hostile_page("A" * 100_000))
    lengths = [len(repeated) for repeated in re.findall("A+", page.text)]
    assert max(lengths) <= max(LONGEST, PASSAGE)
    assert "(cut)" in page.text


def test_line_breaks_of_answers_are_kept_but_bounded() -> None:
    page = hostile_page("one\ntwo" + "\n" * 5000 + "end")
    assert "one\ntwo" in page
    assert page.count("\n") < 6000


def test_policy_allows_only_this_style_and_script() -> None:
    page = Parsed(hostile_page("x"))
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    for kind in ("script", "style"):
        (content,) = page.raw[kind]
        digest = b64encode(sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_no_network_address_is_in_the_page() -> None:
    page = re.sub(r'xmlns(:\w+)?="[^"]*"', "", rendered(agreeing))
    assert "http" not in page.replace("http-equiv", "")
