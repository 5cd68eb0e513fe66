"""Text that is not language: no words, symbols, glued letters, mixed scripts, words without grammar."""

import re
from collections import Counter
from itertools import groupby, pairwise

from steering_core.quality.grammar import is_word_salad
from steering_core.quality.languages import FUNCTION_WORDS, identify_language, script_of
from steering_core.quality.prose import Prose, find_words

_LONG_RUN = re.compile(r"([^\W\d_])\1{7,}")
_SAME_SYMBOL = re.compile(r"([\W_])\1+")
_MARKUP = re.compile(r"[\s|*#>`~=_-]+")
_ESCAPED_TWICE = re.compile(r"&amp;\w+;")
_NOT_LETTER = re.compile(r"[^\w\u0300-\u036f\u0900-\u0eff]|_")
_VOWEL = re.compile("[aeiouy]")
_BREAK = re.compile(r"[^\w\s']|\n|\d")
_LATIN_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")


def is_noise(prose: Prose) -> bool:
    """Whether the text has no words, or its words are not language."""
    return (
        not prose.words
        or _is_mostly_symbols(prose.text)
        or len(_ESCAPED_TWICE.findall(prose.text)) >= 5
        or _is_glued(prose)
        or _is_unpronounceable(prose.text)
        or _is_script_jumble(prose)
        or _has_bare_run(prose.text.lower())
        or (identify_language(prose.text.lower(), prose.words) == "en" and is_word_salad(prose.text))
    )


def _is_mostly_symbols(text: str) -> bool:
    """Over 60 % symbols, not counting markup and repeats of a symbol; or over a tenth undecodable."""
    shown = _SAME_SYMBOL.sub(r"\1", _MARKUP.sub("", text))
    symbols = len(_NOT_LETTER.findall(shown))
    return (len(shown) >= 12 and symbols > 0.6 * len(shown)) or text.count("\ufffd") > 0.1 * len(text)


def _is_glued(prose: Prose) -> bool:
    """A third of the letters are in words of over 40 letters, or in runs of 8 equal letters."""
    lengths = [len(word) for word in prose.words]
    glued = sum(length for length in lengths if length > 40)
    drawn_out = sum(len(run.group()) for run in _LONG_RUN.finditer(prose.text))
    return max(glued, drawn_out) > sum(lengths) / 3


def _is_unpronounceable(text: str) -> bool:
    """At least five, and a fifth, of the Latin words of three letters or more have no vowel and are not acronyms.

    Prose and code stay under a tenth; random characters exceed a third.
    """
    latin = [word for word in find_words(text) if len(word) >= 3 and word.isascii() and word.isalpha()]
    mute = sum(not word.isupper() and _VOWEL.search(word.lower()) is None for word in latin)
    return mute >= 5 and mute >= len(latin) / 5


def _is_script_jumble(prose: Prose) -> bool:
    """Adjacent words, with only space between them, keep changing script: a fifth of them with three scripts, else half.

    A vocabulary list ("hello: Привет, 你好") has punctuation between, and Chinese with English terms has two scripts.
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
    """A dozen ASCII words in a row without punctuation and without a function word of any known language."""
    parts = (groupby(_LATIN_WORD.findall(part), _is_bare) for part in _BREAK.split(text))
    return any(bare and len(list(run)) >= 12 for runs in parts for bare, run in runs)


def _is_bare(word: str) -> bool:
    return word.isascii() and word not in FUNCTION_WORDS
