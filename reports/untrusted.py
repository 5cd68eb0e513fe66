"""Text that a model or a stranger's file produced, made safe to print: it can neither move the cursor nor hide."""

from unicodedata import category

_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control, format (bidirectional marks, zero width), surrogates, private use, unassigned, line and paragraph breaks."""


def plain(text: str, limit: int) -> str:
    """One printable line of at most `limit` characters; unsafe characters become \\n, \\x1b, \\u202e and so on.

    Truncated text ends in an ellipsis. No unsafe character is dropped: a reader must see that it was there.
    """
    if text.isprintable() and len(text) <= limit:
        return text  # most texts are harmless; Python's own test is faster than looking at each character
    pieces: list[str] = []
    length = 0
    for character in text:
        unsafe = category(character) in _UNSAFE
        pieces.append(character.encode("unicode_escape").decode() if unsafe else character)
        length += len(pieces[-1])
        if length > limit:
            return "".join(pieces[:-1])[: max(limit - 1, 0)] + "…" * (limit > 0)
    return "".join(pieces)
