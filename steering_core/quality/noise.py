"""Text that is not language: no words, symbols, glued letters, scripts jumbled together, words without grammar."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from steering_core.quality.languages import FUNCTION_WORDS, script_of
from steering_core.quality.prose import Prose, find_words

_LONG_RUN = re.compile(r"([^\W\d_])\1{7,}")
_SAME_SYMBOL = re.compile(r"([\W_])\1+")
_MARKUP = re.compile(r"[\s|*#>`~=_-]+")
_NOT_LETTER = re.compile(r"[^\w\u0300-\u036f\u0900-\u0eff]|_")
_VOWEL = re.compile("[aeiouy]")
_BREAK = re.compile(r"[^\w\s']|\n|\d")
_LATIN_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
# What English grammar never lets follow a determiner or a preposition, save in names ("the is operator").
_NEVER_AFTER = {
    "the an my your our their every": (
        "the a an of to in and or is are was were for with on at by that it be as from if will but"
    ),
    "of to with from into": "is are was were and or but if can will cannot",
}
_WRONG_NEXT = {word: set(nexts.split()) for words, nexts in _NEVER_AFTER.items() for word in words.split()}


def is_noise(prose: Prose) -> bool:
    """Whether the text has no words, or what it has in their place is not language."""
    return (
        not prose.words
        or _is_mostly_symbols(prose.text)
        or _is_glued(prose)
        or _is_unpronounceable(prose.words)
        or _is_script_jumble(prose)
        or _is_word_salad(prose.text.lower())
    )


def _is_mostly_symbols(text: str) -> bool:
    """Over 60 % symbols, markup aside and a run of one symbol counted once; or a tenth undecodable."""
    shown = _SAME_SYMBOL.sub(r"\1", _MARKUP.sub("", text))
    symbols = len(_NOT_LETTER.findall(shown))
    return (len(shown) >= 12 and symbols > 0.6 * len(shown)) or text.count("\ufffd") > 0.1 * len(text)


def _is_glued(prose: Prose) -> bool:
    """A third of the letters are in words of over 40 letters, or in runs of 8 equal letters."""
    lengths = [len(word) for word in prose.words]
    glued = sum(n for n in lengths if n > 40)
    drawn_out = sum(len(found.group()) for found in _LONG_RUN.finditer(prose.text))
    return max(glued, drawn_out) > sum(lengths) / 3


def _is_unpronounceable(words: Sequence[str]) -> bool:
    """A third of the Latin words of three letters or more, and eight at least, have no vowel (random characters)."""
    latin = [word for word in words if len(word) >= 3 and word.isascii() and word.isalpha()]
    mute = sum(_VOWEL.search(word) is None for word in latin)
    return mute >= 8 and mute >= len(latin) / 3


def _is_script_jumble(prose: Prose) -> bool:
    """Neighbours with nothing but space between them keep changing script, over three scripts or more.

    A vocabulary list ("hello: Привет, 你好") has punctuation between, and Chinese prose with English terms two scripts.
    """
    pairs = [
        (a, b)
        for part in _BREAK.split(prose.text.lower())
        for a, b in pairwise([script_of(word) for word in find_words(part)])
        if {a, b} != {"han", "kana"}
    ]
    changes = [pair for pair in pairs if pair[0] != pair[1]]
    scripts = Counter(script for pair in changes for script in pair)
    needed = 0.2 if len(scripts) >= 3 else 0.5
    return len(changes) >= 4 and len(changes) >= needed * len(pairs)


def _is_word_salad(text: str) -> bool:
    """A dozen ASCII words in a row without one function word, or determiners where no grammar allows them."""
    parts = [_LATIN_WORD.findall(part) for part in _BREAK.split(text)]
    return any(_longest_bare_run(part) >= 12 for part in parts) or _is_ungrammatical(parts)


def _longest_bare_run(words: list[str]) -> int:
    longest = run = 0
    for word in words:
        run = run + 1 if word.isascii() and word not in FUNCTION_WORDS else 0
        longest = max(longest, run)
    return longest


def _is_ungrammatical(parts: list[list[str]]) -> bool:
    pairs = [(a, b) for part in parts for a, b in pairwise(part) if a in _WRONG_NEXT]
    wrong = sum(b in _WRONG_NEXT[a] for a, b in pairs)
    return wrong >= 3 and wrong >= 0.2 * len(pairs)
