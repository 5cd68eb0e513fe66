"""Model output on a terminal: visible, harmless, bounded."""

import pytest

from reports.untrusted import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("nul\x00", "nul\\x00"),
        ("\x9b31m", "\\x9b31m"),
        ("refuse\u202edetimrep", "refuse\\u202edetimrep"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("line\u2028break", "line\\u2028break"),
        ("lone \ud800", "lone \\ud800"),
        ("tag \U000e0041", "tag \\U000e0041"),
        ("我不能帮助 – I can’t é 🙂", "我不能帮助 – I can’t é 🙂"),
    ],
)
def test_unsafe_characters_become_visible_escapes(text: str, shown: str) -> None:
    assert plain(text, 100) == shown


@pytest.mark.parametrize("limit", [0, 1, 2, 5, 6, 7])
def test_limit_counts_escaped_characters(limit: int) -> None:
    assert len(plain("ab\x1bcd", limit)) <= limit


def test_truncated_text_ends_in_an_ellipsis() -> None:
    assert plain("abcdef", 4) == "abc…"
    assert plain("abcd", 4) == "abcd"


def test_long_text_is_read_only_up_to_the_limit() -> None:
    assert plain("x" * 50_000_000, 10) == "xxxxxxxxx…"
