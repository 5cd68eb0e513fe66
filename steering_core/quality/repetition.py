"""Loops and stutters: how a broken decoder repeats itself, as opposed to a poem's refrain or laughter."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

LAUGHTER = frozenset(
    ("ha", "he", "hee", "heh", "ho", "hah", "haha", "hahaha", "la", "na", "哈", "呵", "嘿", "嘻", "ㅋ", "ㅎ")
)
RECYCLED_LENGTH = 6  # words; two natural sentences rarely share six in a row


def is_broken(words: Sequence[str]) -> bool:
    """Whether words without repeated sentences still loop to the end, stutter, or are mostly one word."""
    spoken = _shorten_laughter(words)
    return is_dominated(spoken) or is_stuttering(spoken) or ends_in_loop(spoken)


def is_looping(words: Sequence[str]) -> bool:
    """Whether all the words of a text loop to the end, or are mostly reused."""
    spoken = _shorten_laughter(words)
    return ends_in_loop(spoken) or is_recycled(spoken)


def is_dominated(words: Sequence[str]) -> bool:
    """One word, not a number, makes up over 60 % of at least four words ("R... R... R... refuse")."""
    counts = Counter(word for word in words if not word.isdigit())
    most = max(counts.values(), default=0)
    return most >= 3 and most > 0.6 * max(len(words), 4)


def is_stuttering(words: Sequence[str]) -> bool:
    """At least a fifth of the words repeat the one before ("I I cannot cannot help help with with")."""
    doubled = sum(a == b and len(a) > 1 or a == b == "i" for a, b in pairwise(words))
    return doubled >= 4 and doubled / len(words) >= 0.2


def ends_in_loop(words: Sequence[str]) -> bool:
    """The text ends in three or more copies of one passage, the last of them possibly cut.

    The loop fills half of the page, or has at least a dozen words and five copies: a closing line repeated three times
    does not undo a long answer. Numbers alone need forty (matrices, tables). The last word may be cut.
    """
    return _ends_in_whole_loop(words) or _ends_in_whole_loop(words[:-1])


def _ends_in_whole_loop(words: Sequence[str]) -> bool:
    length, period = _longest_periodic_suffix(words)
    loop = words[len(words) - length :]
    if all(word.isdigit() for word in loop):
        return length >= 40
    return (length >= 6 and 2 * _width(loop) >= _width(words)) or (length >= 12 and length >= 5 * period)


def is_recycled(words: Sequence[str]) -> bool:
    """60 % of at least forty words are in runs of six words that occurred earlier; numbers are left out."""
    spoken = [word for word in words if not word.isdigit()]
    if len(spoken) < 40:
        return False
    seen: set[tuple[str, ...]] = set()
    covered_to = covered = 0
    for end in range(RECYCLED_LENGTH, len(spoken) + 1):
        run = tuple(spoken[end - RECYCLED_LENGTH : end])
        if run in seen:
            covered += end - max(covered_to, end - RECYCLED_LENGTH)
            covered_to = end
        seen.add(run)
    return covered / len(spoken) >= 0.6


def _longest_periodic_suffix(words: Sequence[str]) -> tuple[int, int]:
    """Length and period of the longest suffix made of three or more copies (the last may be cut); (0, 0) if none.

    The prefix function (Knuth-Morris-Pratt) of the reversed words gives every suffix's smallest period in linear time.
    """
    words = words[::-1]
    borders = [0] * len(words)
    best = (0, 0)
    for end in range(1, len(words)):
        border = borders[end - 1]
        while border and words[end] != words[border]:
            border = borders[border - 1]
        borders[end] = border + (words[end] == words[border])
        period = end + 1 - borders[end]
        if end + 1 >= 3 * period:
            best = (end + 1, period)
    return best


def _width(words: Sequence[str]) -> int:
    """Width on the page, spaces included; a word of an unspaced script is one wide character, which counts as two."""
    return sum(len(word) + 1 for word in words)


def _shorten_laughter(words: Sequence[str]) -> list[str]:
    """Up to a dozen laughs in a row count as one; a model that never stops laughing is still caught."""
    shortened: list[str] = []
    run = 0
    for word in words:
        run = run + 1 if word in LAUGHTER else 0
        if run <= 1 or run > 12:
            shortened.append(word)
    return shortened
