"""Slips of a decoder that breaks down: words glued together, said twice, or put where English has no place for them.

A steered model loses its sentences before it loses its words: "please safe questionI cannot help with else."
"""

import re

_STARTS = "As|At|That|This|It|If|The|There|Sorry|But|And|Here|Please|You|My|Helping|Someone"
_GLUED = re.compile(
    rf"(?<![\w.@/#])(?:(?:[a-z]+I*|I+)(?:{_STARTS})|[a-z]+I+(?:'m|'ll|'ve)?)(?=[\s,.?!]|$)|(?<!\w)I+(?:I{{3,}}|I(?= (?:am|can\w*|will)\b))"
)
"""A sentence that starts inside another: "questionI cannot", "IAs an", "IIII", "II cannot"; not "Part II", "OpenAI"."""
_TWICE_IN_ENGLISH = "that had ha he bye no so very really very many much blah hey hush there now well far knock please"
_DOUBLED = re.compile(rf"\b(?!(?:{_TWICE_IN_ENGLISH.replace(' ', '|')})\b)([a-z]{{2,}}|I) \1\b")
_BEFORE_ELSE = r"\w+thing|\w+body|\w*one|\w*where|who|whose|what|when|how|why|or|all|much|little|the|then"
_LONE_ELSE = re.compile(rf"\b(?!(?:{_BEFORE_ELSE})\b)[a-z]+ else\b|(?<=[.!?] )else\b")
_LOWER_START = re.compile(r"(?<=[a-z]{4}[.!?] )(?=[a-z]{2,}\b)")
_PRONOUN = "I|you|we|they|he|she|it|that|this"
MODALS = "can|can't|cannot|could|would|will|should|may|might|must"
_NO_VERB = re.compile(
    rf"\b(?:{_PRONOUN}) (?:{MODALS}) (?:I|me|you|we|us|them|they|him|a|an|the|my|your|of|else)\b", re.I
)
_SAID_AGAIN = re.compile(
    r"\b(?!(?:h[aeo]|la|na)\b|\w+ (?:and|or|by|to)\b)((?:(?!and\b|or\b|by\b)[a-z]+ ){1,3}[a-z]+),? \1\b"
)
_I_TO_ME = re.compile(
    rf"\bI (?:{MODALS}|do|don't|am|have|need|must)\b(?:(?!\byou\b(?! with\b)|\b(?:he|she|they|it|who|that|which|what|available|given"
    r"|provided|known|anyone|someone|ask|let)\b)[^.,:;!?\n])*? (?:to|with|of|for|from) me\b"
)
"""English says "myself" here."""


def count_slips(text: str) -> int:
    """How many slips an English text has; capitals kept."""
    return sum(1 for pattern in (_DOUBLED, _LOWER_START, _SAID_AGAIN) for _ in pattern.finditer(text))


def breaks_off(text: str) -> bool:
    """Whether a sentence of an English text breaks off or is impossible: in 2 700 unsteered answers, none was."""
    return any(pattern.search(text) for pattern in (_GLUED, _LONE_ELSE, _NO_VERB, _I_TO_ME))
