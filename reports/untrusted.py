"""Text that a model or a stranger's file produced, made safe to print: it can neither move the cursor nor hide."""

from unicodedata import category

_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control, format (bidirectional marks, zero width), surrogates, private use, unassigned, line and paragraph breaks."""

_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def plain(text: str, limit: int) -> str:
    """One printable line of at most `limit` characters; what is escaped is shown as \\x1b, \\u202e and so on.

    A text that was cut ends in an ellipsis. Each unsafe character becomes its escape, never nothing: a reader must be
    able to see that it was there.
    """
    shown: list[str] = []
    length = 0
    for character in text:
        piece = _visible(character)
        length += len(piece)
        if length > limit:
            return _cut("".join(shown), limit)
        shown.append(piece)
    return "".join(shown)


def _visible(character: str) -> str:
    if category(character) not in _UNSAFE:
        return character
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _cut(shown: str, limit: int) -> str:
    return shown[: max(limit - 1, 0)] + "…" if limit else ""
