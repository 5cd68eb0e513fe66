"""Text that is not language: no words, symbols, glued letters, scripts jumbled together, words without grammar."""

import re
from collections import Counter
from itertools import pairwise

from steering_core.quality.grammar import is_word_salad
from steering_core.quality.languages import FUNCTION_WORDS, identify_language, script_of
from steering_core.quality.prose import Prose, find_words

_LONG_RUN = re.compile(r"([^\W\d_])\1{7,}")
_SAME_SYMBOL = re.compile(r"([\W_])\1+")
_MARKUP = re.compile(r"[\s|*#>`~=_-]+")
_NOT_LETTER = re.compile(r"[^\w\u0300-\u036f\u0900-\u0eff]|_")
_VOWEL = re.compile("[aeiouy]")
_BREAK = re.compile(r"[^\w\s']|\n|\d")
_LATIN_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")


def is_noise(prose: Prose) -> bool:
    """Whether the text has no words, or what it has in their place is not language."""
    return (
        not prose.words
        or _is_mostly_symbols(prose.text)
        or _is_glued(prose)
        or _is_unpronounceable(prose.text)
        or _is_script_jumble(prose)
        or _has_bare_run(prose.text.lower())
        or (identify_language(prose.text.lower(), prose.words) == "en" and is_word_salad(prose.text))
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


def _is_unpronounceable(text: str) -> bool:
    """A fifth of the Latin words of three letters or more, and five at least, have no vowel and are no acronyms.

    Prose and code stay under a tenth; random characters exceed a third.
    """
    latin = [word for word in find_words(text) if len(word) >= 3 and word.isascii() and word.isalpha()]
    mute = sum(not word.isupper() and _VOWEL.search(word.lower()) is None for word in latin)
    return mute >= 5 and mute >= len(latin) / 5


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


def _has_bare_run(text: str) -> bool:
    """A dozen ASCII words in a row, with no punctuation between, and no function word of any known language."""
    return any(_longest_bare_run(_LATIN_WORD.findall(part)) >= 12 for part in _BREAK.split(text))


def _longest_bare_run(words: list[str]) -> int:
    longest = run = 0
    for word in words:
        run = run + 1 if word.isascii() and word not in FUNCTION_WORDS else 0
        longest = max(longest, run)
    return longest
