"""report.md: the content of the page, in text that Markdown cannot turn into anything else."""

import re

import pytest

from reports.page.markdown import code, escape_inline, quote, render_markdown
from reports.tests.synthetic_run import LOCALIZED, agreeing, diverging, hostile, one_fault
from reports.tests.test_page_safety import CONTROL, NASTY
from reports.verdicts import judge

RESULTS = ["Overview", "What was compared", "All checks", "Agreement", "Behavior", "Components", "What the models said"]
HEADINGS = [*RESULTS, "Declared deviations", "Where the numbers", "How to reproduce"]


def test_verdict_comes_first_then_sections_in_order() -> None:
    text = render_markdown(agreeing(), judge(agreeing()))
    assert text.startswith("# OUTCOME 4: The tools give the same result on every model")
    places = [text.index(f"## {heading}") for heading in HEADINGS]
    assert places == sorted(places)


def test_first_failure_shows_location_and_command() -> None:
    text = render_markdown(one_fault(), judge(one_fault()))
    failure = text[text.index("## What failed first") : text.index("## What was compared")]
    assert "nnsight returned a different tensor" in failure
    assert LOCALIZED.replace("[", r"\[").replace("]", r"\]") in failure
    assert "`pytest 'parity/test_p1.py::test_it[tiny_qwen2-nnsight]' -m tiny_qwen2" in failure


def test_grid_uses_the_symbols_of_the_terminal() -> None:
    text = render_markdown(one_fault(), judge(one_fault()))
    assert "| P1 location | hooks: `=` agrees; nnsight: `x` differs; pyvene: `=` agrees |" in text
    assert "nnsight: `?` skipped" in text


def test_numbers_are_in_the_tables() -> None:
    text = render_markdown(diverging(), judge(diverging()))
    assert "| tiny_qwen2 | hooks | nnsight | 0.27 | diverges | 5 | 2e-09 |" in text
    assert "| tiny_qwen2 | hooks | reference | – | – | 10 | 30 | 60 | 0 |" in text


def test_markdown_is_reproducible_byte_for_byte() -> None:
    assert render_markdown(diverging(), judge(diverging())) == render_markdown(diverging(), judge(diverging()))


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_hostile_text_stays_text(text: str) -> None:
    run = hostile(text)
    written = render_markdown(run, judge(run))
    outside = re.sub(r"`[^`\n]*`|<!-- -->", "", written)
    assert "<" not in outside
    assert not CONTROL.search(written)
    assert len(written) < 200_000
    written.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("[a](http://x.invalid) ![b](c)", r"\[a\](http&#58;//x.invalid) !\[b\](c)"),
        ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
        ("a|b `c` *d* _e_ ~~f~~ $g$", r"a\|b \`c\` \*d\* \_e\_ \~\~f\~\~ \$g\$"),
        ("mail someone@example.org @team resid_post@4", "mail someone@<!-- -->example.org @<!-- -->team resid_post@4"),
        ("www.x.invalid", "www&#46;x.invalid"),
        ("# heading", r"\# heading"),
        ("- item", r"\- item"),
        ("hooks ~ nnsight one-block tiny_qwen2", "hooks ~ nnsight one-block tiny_qwen2"),
    ],
)
def test_inline_text_means_itself(text: str, written: str) -> None:
    assert escape_inline(text) == written


def test_answer_cannot_leave_its_quote() -> None:
    shown = quote("one\n\n# two\n```\n<script>\n" + "x" * 9999)
    assert all(line.startswith("> ") for line in shown.splitlines())
    assert shown.splitlines()[-1] == "> *(cut)*  "
    assert r"\`\`\`" in shown


def test_command_cannot_leave_its_code_span() -> None:
    assert code("a `b` ``c") == "``` a `b` ``c ```"
